import { loadFleet } from '../devices/fleet-config.ts';
import type { FleetPlan } from '../devices/fleet-plan.ts';

/** The plan of a fleet file, given as what its YAML stands for. Throws `config_invalid`. */
export function planOf(document: object): FleetPlan {
  const text = JSON.stringify({ version: 1, ...document });
  return loadFleet({ text, name: 'fleet.yaml', folder: '/' }, {}).value;
}
