import { onTestFinished } from 'vitest';
import { openRepository } from '../../src/forge/repository.ts';
import { answerFile, startServer } from '../fixtures/server.ts';
import { type Signer, signedRpm } from '../fixtures/signer.ts';
import { type Build, type Files, sha256 } from '../fixtures/upstreamRepository.ts';
import { makeSite, type Site, type SiteOptions } from './site.ts';

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

/** A site with these keys, and an upstream that the test fills. */
export async function signedSite(
  policy: Record<string, unknown>,
  keys: readonly Signer[],
  texts: readonly (string | undefined)[] = keys.map((key) => key.publicKey),
) {
  let files: Files = new Map();
  const server = await startServer((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    answerFile(request, response, bytes, `"${bytes ? sha256(bytes).slice(0, 16) : ''}"`);
  });
  onTestFinished(() => server.close());
  const names = keys.map((_, n) => `keys/key-${n}.asc`);
  const options: SiteOptions = {
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

export async function live(site: Site, rev = 'main'): Promise<string> {
  const repo = await openRepository(`${site.repoDir}.git`);
  return (await repo.readCommitted((await repo.history(rev)).commit)).get(LIVE)?.text ?? '';
}
