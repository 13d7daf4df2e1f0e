/** A series definition as a MessagePack array: in `series` messages, and as the agent stores it. PROTOCOL.md §4. */
import { type SeriesDefinition, samplings, valueTypes } from '../reading.ts';
import type { Fields, Packable } from './envelope.ts';
import { protocolLimits } from './limits.ts';

const { nameCharactersMax, timeMax } = protocolLimits;

export function packDefinition(definition: SeriesDefinition): Packable {
  return [
    definition.stream,
    definition.device,
    definition.metric,
    definition.unit,
    definition.kind === 'reading' ? 0 : 1,
    valueTypes.indexOf(definition.type),
    samplings.indexOf(definition.sampling),
    definition.tags.flat(),
    definition.widthMs,
    definition.holdMs,
  ];
}

export function unpackDefinition(fields: Fields): SeriesDefinition {
  const stream = fields.text('stream', nameCharactersMax);
  const device = fields.text('device', nameCharactersMax);
  const metric = fields.text('metric', nameCharactersMax);
  const unit = fields.text('unit', nameCharactersMax);
  const kind = fields.integer('kind', 0, 1) === 0 ? 'reading' : 'window';
  const type = valueTypes[fields.integer('type', 0, valueTypes.length - 1)] ?? 'number';
  const sampling = samplings[fields.integer('sampling', 0, samplings.length - 1)] ?? 'all';
  const tags = fields.list('tags', protocolLimits.tagsMax * 2, (tag): [string, string] => [
    tag.text('key', nameCharactersMax),
    tag.text('value', nameCharactersMax),
  ]);
  const widthMs = fields.integer('width', 0, timeMax);
  const holdMs = fields.integer('hold', 0, timeMax);
  return { stream, device, metric, unit, kind, type, sampling, tags, widthMs, holdMs };
}
