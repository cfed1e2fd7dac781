import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { tempDir } from '../fixtures/tempDir.ts';
import { makeSite } from './site.ts';

const BASE = 'harbor-9-x86_64-base';

it('takes in only builds of the arches that the policy names, and says how many it left out', async () => {
  const vendor = await tempDir();
  await layDemoUpstream(vendor, 'before');
  const policy = { baseurl: [`file://${vendor}/base`], content: 'thin', arches: ['noarch'] };
  const site = await makeSite({ upstreams: { [BASE]: policy } });
  await site.merge(await site.sync());
  expect(site.output()).toContain('13 builds of other arches than noarch are left out');
  const yaml = readFileSync(join(site.repoDir, `snapshots/vendor/live/${BASE}.yaml`), 'utf8');
  const packages = yaml
    .slice(yaml.indexOf('packages:'))
    .split('\n')
    .filter((line) => line.startsWith('  '));
  expect(packages.map((line) => line.split(':')[0])).toEqual([
    '  harbor-filesystem.noarch',
    '  harbor-release.noarch',
    '  harbor-tzdata.noarch',
  ]);
});
