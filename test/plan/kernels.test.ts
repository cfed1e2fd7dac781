import { expect, it } from 'vitest';
import { moduleOf } from '../../src/rpm/kernel-module.ts';
import { parseNevra } from '../../src/rpm/nevra.ts';

// names as NVIDIA, Whamcloud's builds, RPM Fusion, Quattor's sites, RHEL's live patches and IBM write them
it.each([
  [
    'kmod-nvidia-570.133.20-5.14.0-503.11.1',
    'kernel-core-5.14.0-503.11.1.el9_5.x86_64',
    'kmod-nvidia-570.133.20',
  ],
  ['kmod-nvidia-570.133.20-5.14.0-503.11.1', 'kernel-core-5.14.0-503.11.2.el9_5.x86_64', undefined],
  ['kmod-lustre-client-5.14.0_427', 'kernel-core-5.14.0-427.13.1.el9_4.x86_64', 'kmod-lustre-client'],
  ['kmod-lustre-client-5.14.0_427', 'kernel-core-5.14.0-4271.el9.x86_64', undefined],
  ['kmod-nvidia-6.8.5-301.fc40.x86_64', 'kernel-core-6.8.5-301.fc40.x86_64', 'kmod-nvidia'],
  ['kernel-module-openafs-2.6.9-89.0.9.ELsmp', 'kernel-2.6.9-89.0.9.EL.i686', 'kernel-module-openafs'],
  ['kernel-module-openafs-2.6.9-89.0.9.EL', 'kernel-2.6.9-89.0.9.EL.i686', 'kernel-module-openafs'],
  ['kpatch-patch-5_14_0-427_13_1', 'kernel-core-5.14.0-427.13.1.el9_4.x86_64', 'kpatch-patch'],
  ['gpfs.gplbin-5.14.0-503.11.1.el9_5.x86_64', 'kernel-core-5.14.0-503.11.1.el9_5.x86_64', 'gpfs.gplbin'],
  ['kmod-foo-5.14.0', 'kernel-core-5.14.0-503.11.1.el9_5.x86_64', undefined], // three parts are anybody's
  ['5.14.0-503.11.1', 'kernel-core-5.14.0-503.11.1.el9_5.x86_64', undefined],
  ['kmod-lustre-client', 'kernel-core-5.14.0-503.11.1.el9_5.x86_64', undefined],
  ['iomemory-vsl-2.6.35.12-88.fc14.x86_64', 'kernel-2.6.35.12-88.fc14.x86_64', 'iomemory-vsl'],
])('%s with %s', (name, kernel, wanted) => {
  expect(moduleOf(name, parseNevra(kernel))).toBe(wanted);
});

it('a name that would take a careless expression for ever is no module', () => {
  const started = performance.now();
  for (const name of [`kmod-${'1.1-1_1.'.repeat(20_000)}x`, '1'.repeat(200_000), '1.11.'.repeat(30_000)]) {
    expect(moduleOf(name, parseNevra('kernel-5.14.0-503.11.1.el9.x86_64'))).toBeUndefined();
  }
  expect(performance.now() - started).toBeLessThan(2_000);
});
