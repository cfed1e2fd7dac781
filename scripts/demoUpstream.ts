import { copyFile, cp, mkdir, readFile, rename, rm, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../test/fixtures/demo/', import.meta.url));

/** The repositories of Harbor 9, the small distribution of the demo. */
export const DEMO_REPOSITORIES = ['base', 'apps'] as const;

/** The key that signs its packages; the vendor serves it beside them. */
export const DEMO_KEY = 'RPM-GPG-KEY-harbor-9';

/**
 * `before`: a distribution at rest. `after`: a wave of updates, with a critical advisory, a new kernel and a new
 * name. `later`: the vendor has pulled one build of the wave back and lists the older one again.
 */
export type DemoState = 'before' | 'after' | 'later';

/**
 * Lays the vendor's server as it is in that state: `<dir>/<repository>/{Packages,repodata}`. Laid over another
 * state it replaces that, as a vendor does: the packages first, the metadata that names them last.
 */
export async function layDemoUpstream(dir: string, state: DemoState): Promise<void> {
  const files = await listDemoPackages(state);
  await mkdir(dir, { recursive: true });
  await copyFile(join(SOURCE, 'keys', DEMO_KEY), join(dir, DEMO_KEY));
  for (const repository of DEMO_REPOSITORIES) {
    const root = join(dir, repository);
    const repodata = join(SOURCE, 'repodata', state, repository);
    const published = new Date(1000 * (await revisionOf(join(repodata, 'repomd.xml'))));
    await replaceFolder(join(root, 'Packages'), async (folder) => {
      for (const file of files.filter((f) => f.startsWith(`${repository}/`))) {
        await copyFile(join(SOURCE, 'packages', file), join(folder, basename(file)));
      }
    });
    await replaceFolder(join(root, 'repodata'), async (folder) => {
      await cp(repodata, folder, { recursive: true });
      await utimes(join(folder, 'repomd.xml'), published, published); // what a server says as Last-Modified
    });
  }
}

/** The packages that the vendor lists in a state: `base/harbor-shell-5.1.8-6.h9.x86_64.rpm`, … */
export async function listDemoPackages(state: DemoState): Promise<string[]> {
  const text = await readFile(join(SOURCE, 'states', `${state}.txt`), 'utf8');
  return text.trimEnd().split('\n');
}

async function replaceFolder(folder: string, fill: (next: string) => Promise<void>): Promise<void> {
  const next = `${folder}.next`;
  await rm(next, { recursive: true, force: true });
  await mkdir(next, { recursive: true });
  await fill(next);
  await rm(folder, { recursive: true, force: true });
  await rename(next, folder);
}

/** Whole seconds: the demo's revisions are the time at which the vendor published. */
async function revisionOf(repomd: string): Promise<number> {
  const [, revision] = /<revision>(\d+)<\/revision>/.exec(await readFile(repomd, 'utf8')) ?? [];
  if (!revision) throw new Error(`${repomd} has no <revision>`);
  return Number(revision);
}
