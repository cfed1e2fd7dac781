import type { Dashboard } from '../../src/report/dashboard.ts';
import { HOSTILE } from './bodies.ts';
import { NOW } from './plans.ts';

const ago = (days: number) => new Date(NOW.getTime() - days * 86_400_000);

/** Something of everything that a dashboard can say, in whatever words people use. */
export function busy(o: { readonly waiting?: number; readonly words?: readonly string[] } = {}): Dashboard {
  const words = o.words ?? HOSTILE;
  const word = (i: number) => words[i % words.length] ?? '';
  return {
    now: NOW,
    waiting: Array.from({ length: o.waiting ?? 12 }, (_, i) => ({
      where: `infra/${i % 3 === 0 ? 'stable' : 'prod'} rocky-9-x86_64`,
      source: `package-${i}`,
      build: `1.0~rc${i}-1.el9`,
      seen: ago(3 + (i % 9)),
      reason:
        i % 2 === 0
          ? { kind: 'wait', until: ago(-2), why: `${i % 7} of 7 days in unstable` }
          : {
              kind: 'held',
              rule: 'kernel*',
              why: word(i),
              owner: '@acme/hpc',
              holdEnds: '2026-04-01',
              expired: false,
            },
    })),
    holds: words.map((reason, i) => ({
      team: 'infra',
      pattern: `kernel-${i}`,
      at: `policies/teams/infra.yaml:${i + 1}:3`,
      owner: '@acme/hpc',
      reason,
      until: i % 2 ? undefined : '2026-03-14',
      days: i % 2 ? undefined : 4,
      names: ['kernel'],
      keepsBack: [{ tier: 'infra/stable', build: 'kernel-6-1.x86_64', has: undefined, since: ago(5) }],
    })),
    upstreams: [
      {
        id: 'rocky-9-x86_64-baseos',
        accepted: ago(1),
        asked: ago(0),
        staleFrom: ago(-6),
        trouble: undefined,
      },
      {
        id: 'rocky-9-x86_64-appstream',
        accepted: ago(9),
        asked: ago(0),
        staleFrom: ago(2),
        trouble: undefined,
      },
      { id: 'epel-9-x86_64', accepted: undefined, asked: undefined, staleFrom: undefined, trouble: word(0) },
    ],
    pulls: words.map((title, i) => ({
      number: 100 + i,
      title,
      branch: `sluice/promote/infra/stable/rocky-${i}`,
      openedAt: ago(i),
      isOurs: i % 5 !== 4,
      edited: i % 3 === 0,
      frozen: i % 3 === 1,
      blocked: i % 4 === 0 ? word(i) : undefined,
    })),
    declined: words.slice(0, 2).map((title, i) => ({
      ...{ number: 90 + i, title, branch: 'sluice/promote/infra/prod/rocky', openedAt: ago(20 + i) },
      ...{ isOurs: true, edited: false, frozen: false, blocked: undefined },
    })),
  };
}
