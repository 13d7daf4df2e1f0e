/** The fleet simulator as a process that publishes to a system's agent until it is stopped. */
import { loopback } from './ports.ts';
import type { Service } from './service.ts';
import type { Stage } from './stage.ts';
import type { System } from './system.ts';

export interface FleetOptions {
  /** Each sends a message with temperature and humidity ten times a second. */
  readonly devices: number;
  readonly seed: number;
  readonly truth: string;
}

/** Parses what the fleet publishes; for `SystemOptions.parse`. */
export const fleetParse =
  '{ json: { temperature: { field: temp, unit: "°C" }, humidity: { field: hum, unit: "%" } }, time: { field: ts, unit: ms } }';

/** Stop it with `stop(1)`: exit code 1 says that the acks of its last messages did not come within a second. */
export function startFleet(stage: Stage, { mqttPort }: System, { devices, seed, truth }: FleetOptions): Service {
  const options = { devices, interval: '100ms', seed, connections: 10, mqtt: `mqtt://${loopback}:${mqttPort}`, truth };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const fleet = stage.program('sim', 'fleet', ['fleet', ...args]);
  fleet.launch();
  return fleet;
}
