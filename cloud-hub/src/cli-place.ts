/** Which hub a command is about, and its databases: opened for one piece of work, closed after it. */
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import type { OptionSpecs } from '@fogline/shared/cli-options';
import { systemClock } from '@fogline/shared/clock';
import type { Database } from '@fogline/shared/sqlite';
import { AuditLog } from './auth/audit-log.ts';
import { type HubConfig, loadHubConfig, noHubFile } from './config.ts';
import { copyCredentials } from './data-folder.ts';

export const place = {
  config: { type: 'text', help: 'the configuration', placeholder: 'FILE' },
  data: { type: 'text', help: 'folder of the database; overrides the file', placeholder: 'DIR' },
} as const satisfies OptionSpecs;

export interface PlaceOptions {
  readonly config: string | undefined;
  readonly data: string | undefined;
}

export type Env = Readonly<Record<string, string | undefined>>;

export function configOf(options: PlaceOptions, env: Env): { value: HubConfig; warnings: readonly string[] } {
  const source = options.config === undefined ? noHubFile(process.cwd()) : { file: options.config };
  const { value, warnings } = loadHubConfig(source, env);
  return { value: options.data === undefined ? value : { ...value, dataFolder: resolve(options.data) }, warnings };
}

export function withDatabase<Result>(
  open: (folder: string) => Database,
  options: PlaceOptions,
  env: Env,
  work: (db: Database, folder: string) => Result,
): Result {
  const folder = configOf(options, env).value.dataFolder;
  const db = open(folder);
  try {
    return work(db, folder);
  } finally {
    db.close();
  }
}

export function withAudit<Result>(folder: string, work: (audit: AuditLog) => Result): Result {
  const audit = new AuditLog(folder, systemClock);
  try {
    return work(audit);
  } finally {
    audit.close();
  }
}

/** Whoever gives the command, as the audit log and the history of alarms name them. */
export function shellUser(): string {
  return `shell:${userInfo().username}`;
}

/** The audit log has it that the command did `what` to `target`. */
export function auditDone(folder: string, what: string, target: string): void {
  withAudit(folder, (audit) => audit.record({ who: shellUser(), from: '', what, target, outcome: 'ok' }));
}

/** For what changes credentials: their copy changes with them, and the audit log has it as `what` done to `target`. */
export function withCredentials<Result>(
  open: (folder: string) => Database,
  { options, env, what, target }: { options: PlaceOptions; env: Env; what: string; target: string },
  work: (db: Database) => Result,
): Result {
  return withDatabase(open, options, env, (db, folder) => {
    const result = work(db);
    copyCredentials(folder, db);
    auditDone(folder, what, target);
    return result;
  });
}
