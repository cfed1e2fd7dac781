import type { WaitPreset } from './preset.ts';

/** S. Beattie et al., "Timing the Application of Security Patches for Optimal Uptime", LISA 2002: two optima. */
export const BEATTIE: readonly WaitPreset[] = [
  {
    name: 'beattie-10',
    version: 1,
    says: 'ten days after a build was published most of those that break something have been pulled back: the first optimum of Beattie et al. (LISA 2002)',
    seen: '10d',
  },
  {
    name: 'beattie-30',
    version: 1,
    says: 'thirty days: their second optimum, for who can afford to be attacked for longer and not to be broken',
    seen: '30d',
  },
];
