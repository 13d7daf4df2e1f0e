/** How bad it is, as rules of this hub say it. */

export const severities = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof severities)[number];
