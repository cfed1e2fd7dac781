import { doctor } from './doctor.ts';
import type { Verb } from './verb.ts';

export const DOCTOR: Verb = {
  name: 'doctor',
  summary: 'what is missing on this host and on its forge, each with the next step',
  operands: '',
  options: {},
  example: 'sluice doctor --repo state --mirror /srv/sluice',
  run: (world) => doctor(world),
};
