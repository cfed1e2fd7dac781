/** One step of the mirror in a process of its own, to be killed or to meet a failing disk: `steps.ts STEP MIRROR`. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Fault } from '../../src/base/fault.ts';
import { openCatalog } from '../../src/pool/catalog.ts';
import { lockMirror, pointAt, sweepTemporary, writeFileAtomic } from '../../src/pool/disk.ts';
import { openPool } from '../../src/pool/pool.ts';
import { BUILD, chunked, RECORDS } from './samples.ts';

const [step = '', mirror = ''] = process.argv.slice(2);

const sum = { type: 'sha256', hex: createHash('sha256').update(BUILD).digest('hex') } as const;
const steps: Readonly<Record<string, () => Promise<void>>> = {
  put: () => openPool(mirror).put(chunked(BUILD), { checksum: sum, size: BUILD.length }),
  link: () => openPool(mirror).linkInto(join(mirror, 'public', 'sample.rpm'), sum),
  records: async () => {
    await openCatalog(mirror).putRecords(RECORDS);
  },
  write: () => writeFileAtomic(join(mirror, 'public', 'new.txt'), 'new\n', { mirrorRoot: mirror }),
  point: () =>
    pointAt(join(mirror, 'public', 'current'), join(mirror, 'public', 'b'), { mirrorRoot: mirror }),
  sweep: async () => {
    await using _lock = await lockMirror(mirror);
    await sweepTemporary(mirror, new Date());
  },
  hold: async () => {
    await lockMirror(mirror);
    process.stdout.write('held\n');
    setInterval(() => {}, 1_000);
  },
};

try {
  await steps[step]?.();
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  process.stderr.write(`${error.code}: ${error.message}\n`);
  process.exitCode = 1;
}
