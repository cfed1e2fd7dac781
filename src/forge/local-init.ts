import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Fault } from '../base/fault.ts';
import { openGit, withLocks } from './git.ts';
import { PRE_RECEIVE } from './hook.ts';
import { readRefs } from './refs.ts';

const MAIN = 'refs/heads/main';

/** Creates the bare repository, or renews the rules of one; `from`: a repository whose main it starts with. */
export async function setUpBare(dir: string, o: { from?: string } = {}): Promise<void> {
  await mkdir(dir, { recursive: true });
  const git = openGit(dir);
  await git.run(['init', '--quiet', '--bare', '--template=', '--initial-branch=main']);
  const settings = {
    'core.hooksPath': 'hooks', // here, so that nobody's own setting replaces it
    'core.logAllRefUpdates': 'always',
    'receive.fsckObjects': 'true',
    'receive.denyDeletes': 'false', // the hook decides by ref
    'receive.denyNonFastForwards': 'false',
  };
  for (const [name, value] of Object.entries(settings)) await git.run(['config', '--local', name, value]);
  await mkdir(join(dir, 'hooks'), { recursive: true });
  const hook = join(dir, 'hooks', 'pre-receive');
  await writeFile(`${hook}.new`, PRE_RECEIVE);
  await chmod(`${hook}.new`, 0o755);
  await rename(`${hook}.new`, hook);
  if (o.from !== undefined && !(await readRefs(git, [MAIN])).has(MAIN)) {
    await openGit(o.from).text(['rev-parse', '--verify', MAIN]); // says what is wrong with it, if anything is
    const fetched = await withLocks(git, [
      'fetch',
      '--quiet',
      '--no-tags',
      '--',
      resolve(o.from),
      `${MAIN}:${MAIN}`,
    ]);
    if (fetched.status !== 0)
      throw new Fault('GIT', fetched.stderr.trim(), { hint: 'Name another repository.' });
  }
}
