/**
 * Verifying the 118 signed packages of `pgdg-signed-series/v3`, beside `rpmkeys --checksig` with the same key: digests and signatures
 * of each, files in the page cache. `node test/bench/signatures.ts`; one line of JSON.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge } from '../../src/openpgp/judge.ts';
import { readKeys } from '../../src/openpgp/keys.ts';
import { examinePackage } from '../../src/openpgp/package.ts';
import { readChunks } from '../../src/pool/disk.ts';
import { CORPUS } from '../fixtures/oracle.ts';

const RUNS = 9;
if (CORPUS === undefined) throw new Error('no corpus beside the project');
const folder = join(CORPUS, 'pgdg-signed-series/v3');
const keyFile = join(CORPUS, 'keys/postgresql/PGDG-RPM-GPG-KEY-RHEL');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.rpm'))
  .map((name) => join(folder, name));
const db = mkdtempSync(join(tmpdir(), 'sluice-bench-'));

async function ours(): Promise<number> {
  const keys = await readKeys(readFileSync(keyFile), keyFile);
  const rules = { allow: new Set<never>(), now: new Date('2026-11-21') };
  let signed = 0;
  for (const file of files) {
    if (judge(await examinePackage(readChunks(file), keys, file), rules).kind === 'signed') signed += 1;
  }
  return signed;
}

function theirs(): number {
  const { stdout } = spawnSync('rpmkeys', ['--dbpath', db, '--checksig', ...files], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.endsWith('digests signatures OK')).length;
}

const median = (times: number[]) => times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
try {
  spawnSync('rpmkeys', ['--dbpath', db, '--import', keyFile]);
  const times: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] };
  for (let run = 0; run < RUNS; run += 1) {
    for (const [who, verify] of [
      ['ours', ours],
      ['theirs', theirs],
    ] as const) {
      const start = performance.now();
      const signed = await verify();
      times[who].push(performance.now() - start);
      if (signed !== files.length) throw new Error(`${who}: ${signed} of ${files.length} are signed`);
    }
  }
  const [a, b] = [median(times.ours), median(times.theirs)];
  console.log(
    JSON.stringify({
      packages: files.length,
      'sluice ms': Math.round(a),
      'rpmkeys ms': Math.round(b),
      ratio: Number((a / b).toFixed(2)),
    }),
  );
} finally {
  rmSync(db, { recursive: true, force: true });
}
