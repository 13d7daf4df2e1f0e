/**
 * The credentials of agents and API callers a second time, beside the database: without them a salvaged hub would know nobody, and a human would have
 * to enrol every gateway anew. Hashes only, as in the database. Written whole under another name, then renamed.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { checkedBytes, withChecksum } from '@fogline/shared/checked-bytes';
import { attempt, copyRow } from '@fogline/shared/readable-rows';
import type { Database, Value } from '@fogline/shared/sqlite';

interface Copy {
  readonly agents: readonly Readonly<Record<string, string | number | null>>[];
  readonly tokens: readonly Readonly<Record<string, string | number | null>>[];
}

const agentColumns = 'id, name, site, hex(token_hash) AS token_hash, created, revoked';
const tokenColumns = 'name, hex(hash) AS hash, scopes, sites, created, revoked';

/**
 * Writes the copy where it says something else than the database. Throws what the system says; then the copy is what it was. Nobody else
 * changes or copies credentials meanwhile: the hub and a command beside it would otherwise leave the older copy, which wins at the next start.
 */
export function saveCredentials(db: Database, path: string): void {
  db.transaction(() => {
    const text = JSON.stringify({
      agents: db.prepare(`SELECT ${agentColumns} FROM agents ORDER BY id`).all(),
      tokens: db.prepare(`SELECT ${tokenColumns} FROM api_tokens ORDER BY name`).all(),
    });
    if (readText(path) !== text) replaceFile(path, withChecksum(Buffer.from(text)));
  });
}

/** Whole or not at all, on disk when it returns. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const partial = `${path}.partial`;
  const file = openSync(partial, 'w', 0o600);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

/** Into an empty database, under the same ids. Returns false when there is no sound copy. */
export function restoreCredentials(db: Database, path: string): boolean {
  const text = readText(path);
  if (text === undefined) return false;
  const { agents, tokens } = JSON.parse(text) as Copy;
  for (const agent of agents) copyRow(db, 'agents', { ...agent, token_hash: bytesOf(agent['token_hash']) });
  for (const token of tokens) copyRow(db, 'api_tokens', { ...token, hash: bytesOf(token['hash']) });
  return true;
}

/**
 * Brings credentials in line with the copy, which every change of them writes: a flipped bit in a hash, or a database that was restored from
 * before an enrolment or a revocation. Returns how many were not as they should be.
 */
export function mendCredentials(db: Database, path: string): number {
  const text = readText(path);
  if (text === undefined) return 0;
  const { agents, tokens } = JSON.parse(text) as Copy;
  const find = db.prepare<{ hash: string; revoked: number | null; site: string }>(
    'SELECT hex(token_hash) AS hash, revoked, site FROM agents WHERE name = ?',
  );
  const add = db.prepare('INSERT INTO agents (name, created) VALUES (?, ?)');
  const set = db.prepare('UPDATE agents SET token_hash = ?, revoked = ?, site = ? WHERE name = ?');
  const findToken = db.prepare<Record<string, Value>>(`SELECT ${tokenColumns} FROM api_tokens WHERE name = ?`);
  const dropToken = db.prepare('DELETE FROM api_tokens WHERE name = ?');
  return db.transaction(() => {
    let mended = 0;
    for (const { name = '', created = 0, revoked = null, site = '', token_hash: hash = '' } of agents) {
      const found = find.get(name);
      if (found?.hash === hash && found.revoked === revoked && found.site === site) continue;
      if (found === undefined) add.run(name, created);
      set.run(bytesOf(hash), revoked, site, name);
      mended++;
    }
    for (const token of tokens) {
      const name = token['name'] ?? '';
      if (JSON.stringify(findToken.get(name)) === JSON.stringify(token)) continue;
      dropToken.run(name);
      copyRow(db, 'api_tokens', { ...token, hash: bytesOf(token['hash']) });
      mended++;
    }
    return mended;
  });
}

function bytesOf(hex: string | number | null | undefined): Uint8Array | null {
  return typeof hex === 'string' && hex !== '' ? Buffer.from(hex, 'hex') : null;
}

function readText(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  return attempt(() => Buffer.from(checkedBytes(readFileSync(path), 'the copy of the credentials')).toString());
}
