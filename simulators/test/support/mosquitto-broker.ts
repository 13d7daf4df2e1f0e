/** The stock mosquitto as a process that can be killed and started again. It keeps sessions over kills when it was told to save (SIGUSR1). */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { loopback } from './ports.ts';
import type { Service } from './service.ts';
import type { Stage } from './stage.ts';

const program = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find(
  (file) => spawnSync(file, ['-h']).error === undefined,
);

export const hasMosquittoBroker = program !== undefined;

/** Not started yet. Anybody may do anything on loopback. */
export function mosquittoBroker(stage: Stage, port: number): Service {
  const config = stage.path('mosquitto.conf');
  const lines = [
    `listener ${port} ${loopback}`,
    'allow_anonymous true',
    // Started by root it would become another user, who may not write here.
    `user ${userInfo().username}`,
    'persistence true',
    `persistence_location ${stage.folder}/`,
    'autosave_interval 0',
    'max_queued_messages 0',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  // Mosquitto does not end with its standard input; the stage kills it.
  return stage.service({ name: 'mosquitto', file: program ?? '', args: ['-c', config] });
}
