import { resolve } from 'node:path';
import { Fault } from '../base/fault.ts';
import type { World } from './context.ts';
import { DISTROS, upstreamsOf } from './distros.ts';
import { initStateRepository } from './init.ts';
import { fetchKeys, keysFrom } from './init-keys.ts';
import type { FillRequest } from './plan-fill.ts';
import { sync } from './sync.ts';
import { VERSION } from './version.ts';

export interface InitRequest {
  /** Undefined: only name the distributions. */
  readonly dir: string | undefined;
  readonly distros: readonly string[];
  readonly team: string;
  readonly arch?: string | undefined;
  readonly content?: string | undefined;
  readonly mirrorUrl?: string | undefined;
  readonly github?: string | undefined;
  /** Files with the keys of distributions that are named by their URL. */
  readonly keys: readonly string[];
  readonly tool?: Buffer | undefined;
  /** What the tiers begin with; undefined: nothing. */
  readonly start: FillRequest | undefined;
}

/** A new state repository; then, unless it is to stay empty, the first import as a pull request. */
export async function initFlow(world: World, request: InitRequest): Promise<void> {
  if (request.dir === undefined) return world.print(`${[...DISTROS.keys()].join('\n')}\n`);
  const { content } = request;
  if (content !== undefined && content !== 'full' && content !== 'thin') {
    throw new Fault('USAGE', `--content ${JSON.stringify(content)} is not known`, { hint: 'full or thin' });
  }
  if (request.distros.length === 0) {
    throw new Fault('USAGE', 'no distribution is named', {
      hint: 'Add --distro NAME; sluice init --list names them.',
    });
  }
  const own = await keysFrom(request.keys.map((path) => resolve(world.repoDir, path)));
  const upstreams = upstreamsOf(request.distros, request.arch ?? 'x86_64', own.keys);
  const known = upstreams.flatMap((u) => u.keys).filter((key) => !own.files.has(key.file));
  const fetched = content === 'thin' ? new Map<string, string>() : await fetchKeys(world, known);
  const made = await initStateRepository({
    keys: own.keys,
    keyFiles: new Map([...fetched, ...own.files]),
    dir: resolve(world.repoDir, request.dir),
    distros: request.distros,
    team: request.team,
    now: world.now,
    by: world.by,
    sluiceVersion: VERSION,
    ...(request.arch === undefined ? {} : { arch: request.arch }),
    ...(content === undefined ? {} : { content }),
    ...(request.tool === undefined ? {} : { tool: request.tool }),
    ...(request.github === undefined ? {} : { github: request.github }),
    ...(request.mirrorUrl === undefined ? {} : { mirrorUrl: request.mirrorUrl }),
  });
  world.print(`state repository ${made.root}, its forge ${made.bare}: ${made.files.length} files on main\n`);
  if (request.start === undefined) {
    return world.print(`nothing was imported; next: cd ${made.root} && sluice sync --propose --mirror DIR\n`);
  }
  if (world.mirrorDir === undefined) {
    return world.print(
      'no --mirror was named, so nothing was imported; next: sluice sync --propose --mirror DIR, then sluice fill\n',
    );
  }
  const lacking = content === 'thin' ? [] : known.filter((key) => !fetched.has(key.file));
  if (lacking.length > 0) {
    return world.print(
      `nothing was imported, because keys are missing; next: commit them, then sluice sync --propose --mirror DIR, then sluice fill\n`,
    );
  }
  await sync(
    { ...world, repoDir: made.root },
    { upstreams: [], how: 'propose', all: false, start: request.start },
  );
}
