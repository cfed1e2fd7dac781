/** `npm run bench`: every measurement, one after the other, each beside its peer; some minutes. Needs the corpus. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SCRIPTS = [
  ['primary.ts', 'AppStream and BaseOS to a queryable index, and all satisfiers, beside rpmmd2solv'],
  [
    'universe.ts',
    'the universe of AppStream, BaseOS and rpmsphere, from a catalog, with a look into filelists',
  ],
  [
    'closure.ts',
    'dependencies of AppStream with BaseOS beside dnf repoclosure; a plan of ten builds; AppStream of four dates',
  ],
  ['publish.ts', 'publishing AppStream after one changed pin, beside createrepo_c --update --skip-stat'],
  ['flows.ts', 'whole processes on AppStream: sync, promotion, publish; time, CPU, peak memory'],
  [
    'emergency.ts',
    'from `hotfix` to a published fix in two tiers of three teams, each of them all of AppStream',
  ],
  ['check-plan.ts', 'the check of 200 changes in a clone without a mirror, all of AppStream in the tiers'],
  ['history.ts', 'the history clock over 1,000 daily syncs of 17,649 pins'],
  ['manifest.ts', 'reading and writing manifests'],
  ['verified.ts', 'a sync with nothing new of 17,649 verified builds, beside the same unverified'],
  ['signatures.ts', 'verifying 118 signed packages, beside rpmkeys --checksig'],
] as const;

let failed = false;
for (const [script, about] of SCRIPTS) {
  console.log(`\n── ${about}`);
  const file = fileURLToPath(new URL(script, import.meta.url));
  const { status } = spawnSync(process.execPath, [file], { stdio: 'inherit' });
  if (status !== 0) {
    console.log(`${script} ended with ${status}`);
    failed = true;
  }
}
process.exitCode = failed ? 1 : 0;
