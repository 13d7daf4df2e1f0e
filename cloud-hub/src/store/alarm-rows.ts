/** What the check and the salvage know of alarms: a flipped bit in a state leaves every structure of the database sound. */

const keys = ['word', 'place', 'ended', 'activated', 'acknowledgement', 'shelf', 'told', 'deeds'];

/** Of a row of `alarms`, in SQL: its state cannot be read. */
export const isUnreadableAlarm = `CASE WHEN json_valid(body) THEN
  (SELECT count(*) FROM json_each(body) WHERE key IN (${keys.map((key) => `'${key}'`).join(', ')})) < ${keys.length} ELSE TRUE END`;
