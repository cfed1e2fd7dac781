import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { exampleFiles } from '../scripts/example.ts';
import { collectComplaints } from '../src/manifest/policy.ts';
import { checkCanonical } from '../src/manifest/snapshot.ts';
import { tempDir } from './fixtures/tempDir.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

function committed(): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of ['policies', 'snapshots']) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(root.length), readFileSync(path, 'utf8'));
    }
  }
  return new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe('the example in policies/ and snapshots/', () => {
  let example: Map<string, string>;
  beforeAll(() => {
    example = committed();
  });

  it('has policies without a complaint', () => {
    expect(collectComplaints(new Map([...example].filter(([path]) => path.startsWith('policies/'))))).toEqual(
      [],
    );
  });

  it('has canonical manifests whose pairs agree', () => {
    const manifests = [...example.keys()].filter(
      (path) => path.startsWith('snapshots/') && path.endsWith('.yaml'),
    );
    expect(manifests).toHaveLength(6);
    for (const path of manifests) {
      const lock = example.get(path.replace(/yaml$/, 'lock')) ?? '';
      expect(checkCanonical({ yaml: example.get(path) ?? '', lock }, path)).toEqual([]);
    }
  });

  it('is what the demo ends with, to the byte (else: npm run example)', { timeout: 240_000 }, async () => {
    expect(exampleFiles(await tempDir())).toEqual(example);
  });
});
