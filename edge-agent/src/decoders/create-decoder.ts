/** The decoder that a configuration asks for. */
import { CsvDecoder } from './csv.ts';
import type { Decoder, DecoderPorts, ParseConfig } from './decoder.ts';
import { JsonDecoder } from './json.ts';
import { LineProtocolDecoder } from './line-protocol.ts';
import { ValueDecoder } from './value.ts';

/** @throws FoglineError config_invalid. */
export function createDecoder(config: ParseConfig, ports: DecoderPorts): Decoder {
  switch (config.format) {
    case 'json':
      return new JsonDecoder(config, ports);
    case 'csv':
      return new CsvDecoder(config, ports);
    case 'line_protocol':
      return new LineProtocolDecoder(config, ports);
    case 'value':
      return new ValueDecoder(config, ports);
  }
}
