import { join } from 'node:path';
import { layDemoUpstream } from '../../scripts/demoUpstream.ts';
import { makeSite, type Site } from './site.ts';

const TIERS = {
  unstable: { from: 'live', wait: { seen: '2d' } },
  stable: { from: 'unstable', wait: { inParent: '10d' } },
};
const SET = 'harbor-9-x86_64';

/** Both tiers as the vendor was before its wave, which only live has. */
export async function makeWaveSite(
  dir: string,
  content: 'thin' | 'full' = 'thin',
): Promise<Site & { vendor: string }> {
  const vendor = join(dir, 'vendor');
  const site = await makeSite({
    dir,
    upstreams: Object.fromEntries(
      ['base', 'apps'].map((r) => [`${SET}-${r}`, { baseurl: [`file://${vendor}/${r}`], content }]),
    ),
    team: { tiers: TIERS },
  });
  await layDemoUpstream(vendor, 'before');
  await site.merge(await site.sync());
  site.days(3);
  await site.merge(await site.promote('unstable'));
  site.days(11);
  await site.merge(await site.promote('stable'));
  await layDemoUpstream(vendor, 'after');
  await site.sync(); // merges itself
  site.output();
  return Object.assign(site, { vendor });
}
