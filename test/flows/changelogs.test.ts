import { expect, it } from 'vitest';
import { readChangelogs } from '../../src/flows/changelogs.ts';
import type { Change } from '../../src/plan/types.ts';
import { body } from '../../src/report/body.ts';
import { madeCatalog } from '../fixtures/catalog.ts';
import { FROM, planOf } from '../report/plans.ts';

it('one build of each source package is asked for what changed; what the catalog lost, or never had, is not said', async () => {
  const { catalog, snapshot } = await madeCatalog();
  const changelog = (...texts: readonly string[]) => ({ changelog: texts });
  const { pins } = await snapshot('infra-stable-rocky-9-x86_64-base', [
    { nevra: 'bash-1-1.x86_64', ...changelog('- Old') },
    { nevra: 'bash-2-1.x86_64', ...changelog('- Old', '- Fix @all', '- Newest <b>') },
    { nevra: 'bash-doc-1-1.x86_64' },
    { nevra: 'bash-doc-2-1.x86_64' },
    { nevra: 'curl-1-1.x86_64' },
    { nevra: 'curl-2-1.x86_64', ...changelog('- Nobody knows since when') },
  ]);
  const of = (nevra: string) => {
    const [name, version] = nevra.split(' ');
    const found = pins.find((pin) => pin.nevra.name === name && pin.nevra.evr.version === version);
    if (!found) throw new Error(nevra);
    return found;
  };
  const update = (name: string, source: string): Change => {
    return { kind: 'update', from: of(`${name} 1`), to: of(`${name} 2`), source, past: [] };
  };
  const lost = { ...of('curl 2'), record: 'f'.repeat(12) };
  const changes = [
    update('bash-doc', 'bash'),
    update('bash', 'bash'),
    update('curl', 'curl'),
    { kind: 'update', from: of('curl 1'), to: lost, source: 'lost', past: [] } as const,
  ];
  const [repository] = planOf({ moving: [] }).repositories;
  if (!repository) throw new Error('no repository');
  const bare = { ...planOf({ moving: [] }), repositories: [{ ...repository, changes }] };
  const plan = await readChangelogs(bare, catalog);
  expect([...(plan.changelogs ?? [])]).toEqual([
    ['bash-2-1.x86_64', { first: 'Newest <b>', entries: 2, complete: true }],
  ]);
  expect(body(plan, FROM)).toContain('| Newest &lt;b&gt;; 1 more entry |');
});
