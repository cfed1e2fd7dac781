import { afterAll, onTestFinished } from 'vitest';
import { openRepository } from '../../src/forge/repository.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { type Signer, signedRpm } from '../fixtures/signer.ts';
import { type Build, type Files, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site, type SiteOptions, siteAgain } from './site.ts';

export const ID = 'test-9-x86_64-main';
export const LIVE = 'snapshots/vendor/live/test-9-x86_64-main.yaml';

export async function build(
  name: string,
  signer: Signer | undefined,
  o: { version?: string } & Parameters<typeof signedRpm>[3] = {},
) {
  const version = o.version ?? '1.0';
  return { name, version, bytes: await signedRpm(name, version, signer, o) } satisfies Build;
}

export interface SignedSite {
  readonly site: Site;
  /** What its upstream has from now on. */
  serve(files: Files): void;
}

interface Options {
  /** The keys' files, where they are not what they should be. */
  readonly texts?: readonly (string | undefined)[];
  /** A folder that outlives the test; a new one otherwise. */
  readonly dir?: string;
  readonly finished?: (end: () => Promise<void>) => void;
}

/** A site with these keys, and an upstream that the test fills. */
export async function signedSite(
  policy: Record<string, unknown>,
  keys: readonly Signer[],
  { texts = keys.map((key) => key.publicKey), dir, finished = onTestFinished }: Options = {},
): Promise<SignedSite> {
  let files: Files = new Map();
  const server = await startServer((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  finished(() => server.close());
  const names = keys.map((_, n) => `keys/key-${n}.asc`);
  const options: SiteOptions = {
    ...(dir === undefined ? {} : { dir }),
    upstreams: {
      [ID]: {
        baseurl: [server.url],
        keys: keys.map((key, n) => ({ file: names[n], fingerprint: key.fingerprint })),
        packages: { signatures: 'required' },
        ...policy,
      },
    },
    files: Object.fromEntries(
      texts.flatMap((text, n) => (text === undefined ? [] : [[`policies/${names[n]}`, text]])),
    ),
  };
  const site = await makeSite(options);
  return {
    site,
    serve: (upstream: Files) => {
      files = upstream;
    },
  };
}

/** The same made once for the tests of a file, which begin with what `first` did and an upstream that has nothing. */
export function signedSiteAgain(
  policy: Record<string, unknown>,
  keys: () => readonly Signer[],
  first: (made: SignedSite) => Promise<void> = async () => {},
): () => Promise<SignedSite> {
  const ends: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const end of ends) await end();
  });
  const again = siteAgain(async (dir) => {
    const made = await signedSite(policy, keys(), { dir, finished: (end) => ends.push(end) });
    await first(made);
    return Object.assign(made.site, { serve: made.serve });
  });
  return async () => {
    const site = await again();
    site.serve(new Map());
    return { site, serve: site.serve };
  };
}

export async function live(site: Site, rev = 'main'): Promise<string> {
  const repo = await openRepository(`${site.repoDir}.git`);
  return (await repo.readCommitted((await repo.history(rev)).commit)).get(LIVE)?.text ?? '';
}
