/** What a user may write of a source: the door through which it comes, and how its payloads are read. */
import { duration, fileReference, listenAddress, secret, size } from '@fogline/shared/config/fields';
import { valueTypes } from '@fogline/shared/reading';
import { z } from 'zod';
import { timeUnits } from '../decoders/source-time.ts';

const dayMs = 86_400_000;
const mebibyte = 1024 * 1024;

const marker = z.union([z.number(), z.string()]);

const metric = z.strictObject({
  field: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'JSON path, CSV column, field or captured level; default: the name of the metric' }),
  unit: z.string().max(32).default('').meta({ description: 'Unit as text, for example "°C"' }),
  type: z.enum(valueTypes).default('number'),
  range: z
    .tuple([z.number(), z.number()])
    .optional()
    .meta({ description: 'Lowest and highest plausible value; what lies outside is kept with quality bad' }),
  missing: z.array(marker).optional().meta({ description: 'Values that stand for none, such as -200 or "NA"' }),
});

function metrics(description: string) {
  return z
    .union([z.literal('auto'), z.record(z.string().min(1).max(128), metric)])
    .optional()
    .meta({ description: `${description} Metrics by name, or auto` });
}

const time = z
  .strictObject({
    field: z
      .union([z.string(), z.array(z.string()).min(1).max(4)])
      .optional()
      .meta({ description: 'JSON path or CSV column of the time; several columns are joined by a space' }),
    unit: z.enum(timeUnits).optional().meta({ description: 'What a number counts since 1970, or iso for ISO 8601' }),
    format: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({ description: 'Form of a text, in place of unit', examples: ['YYYY-MM-DD HH:mm:ss', 'D/M/YYYY H:mm'] }),
    zone: z
      .string()
      .min(1)
      .optional()
      .meta({ description: 'Zone of times that do not tell it', examples: ['UTC', '+01:00', 'Europe/Rome'] }),
    max_skew: duration('How far in the future a time may lie before the reading is rejected', {
      max: dayMs,
    }).prefault('10m'),
  })
  .optional()
  .meta({ description: 'Time of a reading; without it, the time of arrival. Of line protocol: unit and max_skew' });

const parse = z.strictObject({
  json: metrics('JSON objects, or lists of them. auto: every top-level number and boolean is a metric.'),
  csv: metrics('CSV rows. auto: every column is a metric.'),
  line_protocol: metrics(
    'InfluxDB line protocol; a metric is called measurement_field. auto: every field is a metric.',
  ),
  value: metrics('One plain value. auto: the metric is the level {metric} of the topic.'),
  each: z.string().min(1).optional().meta({ description: 'JSON path of a list whose elements are the messages' }),
  device: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'JSON path, CSV column or tag that names the device; of line protocol the default is host' }),
  tags: z.array(z.string().min(1)).max(16).optional().meta({ description: 'JSON paths or CSV columns that are tags' }),
  skip: z.array(z.string()).optional().meta({ description: 'Names that auto leaves out' }),
  missing: z.array(marker).optional().meta({ description: 'Values that stand for none, in every metric' }),
  separator: z
    .string()
    .optional()
    .meta({ description: 'Between CSV cells; default "," or, with a decimal comma, ";"' }),
  decimal: z.enum(['.', ',']).optional().meta({ description: 'Decimal mark of CSV numbers; default "."' }),
  columns: z.array(z.string()).min(1).max(1_024).optional().meta({ description: 'Names of the CSV columns' }),
  header: z
    .boolean()
    .optional()
    .meta({ description: 'CSV begins with a row of names; default: true unless columns are given' }),
  time,
});

const topics = z
  .array(z.string())
  .min(1)
  .meta({ description: 'Topic filters; {device} and other captures take one level each' });

const users = z
  .record(z.string().min(1).max(64), z.strictObject({ password: secret }))
  .optional()
  .meta({ description: 'Who may send, by user name' });

const anonymous = z
  .literal('lan')
  .optional()
  .meta({ description: 'lan: clients on private networks need no password' });

const clientCa = fileReference
  .optional()
  .meta({ description: 'Clients must have a certificate of this authority; without users that is enough' });

const mqtt = z.strictObject({
  listen: listenAddress(
    'Port or host:port of the broker in this agent that sensors publish to; default 1883, with tls 8883',
  ).optional(),
  url: z
    .string()
    .optional()
    .meta({ description: 'A broker to join, in place of listen: mqtt://host[:1883], mqtts://host[:8883]' }),
  topics,
  users,
  anonymous,
  username: z.string().min(1).optional().meta({ description: 'At the broker that is joined' }),
  password: secret.optional(),
  client_id: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .meta({ description: 'At the broker that is joined, which keeps a session by it; default: agent id and source' }),
  tls: z
    .strictObject({
      cert: fileReference.optional().meta({ description: 'PEM, the own one first' }),
      key: secret.optional().meta({ description: 'PEM, private key of cert' }),
      client_ca: clientCa,
      ca: fileReference
        .optional()
        .meta({ description: 'Of a url: whom to trust instead of the authorities of the system' }),
    })
    .optional()
    .meta({
      description: 'Of the broker in this agent: cert and key. Of a url that begins with mqtts://: ca, or cert and key',
    }),
});

const http = z.strictObject({
  listen: listenAddress('Port or host:port for POST').prefault(8086),
  paths: z
    .array(z.string())
    .min(1)
    .optional()
    .meta({ description: 'Paths as topic filters; default: the name of the source, and that with /{device}' }),
  users,
  tokens: z
    .array(secret)
    .min(1)
    .optional()
    .meta({ description: 'Tokens of clients that send "Authorization: Token …"' }),
  anonymous,
  tls: z
    .strictObject({
      cert: fileReference.meta({ description: 'PEM, the own one first' }),
      key: secret.meta({ description: 'PEM, private key of cert' }),
      client_ca: clientCa,
    })
    .optional(),
  body_max: size('Largest body of a request, inflated', { min: 1024, max: 64 * mebibyte }).prefault('16MiB'),
});

const speedMax = 1_000_000;
/** 0 = as fast as possible. */
const speed = z.unknown().transform((input, context) => {
  const text = String(input);
  if (text === 'fast') return 0;
  const times = text === 'recorded' ? 1 : Number(/^(\d{1,7}(?:\.\d{1,6})?)\s*[x×]$/.exec(text)?.[1]);
  if (times > 0 && times <= speedMax) return times;
  context.issues.push({
    code: 'custom',
    input,
    message: `${JSON.stringify(input)} is no speed: write recorded, a multiple of it up to ${speedMax}x such as 60x, or fast`,
  });
  return z.NEVER;
});

const file = z.strictObject({
  path: z.string().min(1).meta({ description: 'File that is read once or followed, relative to this one' }),
  speed: speed.optional().meta({
    type: 'string',
    description: 'Pace of its times: recorded, or a multiple of that; default: fast, that is, as fast as possible',
    examples: ['recorded', '60x', 'fast'],
  }),
  follow: z
    .boolean()
    .default(false)
    .meta({ description: 'It grows: read what is added, also when it is rotated or cut' }),
});

export const sourceSchema = z
  .strictObject({
    mqtt: mqtt.optional().meta({ description: 'Publishes, to a broker in this agent or at one that it joins' }),
    http: http.optional().meta({ description: 'InfluxDB writes at /write and /api/v2/write, other payloads at paths' }),
    file: file.optional().meta({ description: 'CSV, line protocol, or JSON with an object a line' }),
    parse: parse.prefault({}),
  })
  .meta({ description: 'One door (mqtt, http or file) and one parser' });
