import { beforeAll, describe, expect, it } from 'vitest';
import { pullShow } from '../../src/flows/pull.ts';
import { int16, int32, type Tag, text, texts } from '../fixtures/rpmFile.ts';
import { makeSigner, type Signer } from '../fixtures/signer.ts';
import { makeRepository } from '../fixtures/upstreamRepository.ts';
import { build, signedSite } from './signedSite.ts';

let vendor: Signer;

beforeAll(async () => {
  vendor = await makeSigner('vendor');
});

interface FileOf {
  readonly path: string;
  readonly mode?: number;
  readonly capabilities?: string;
  readonly digest?: string;
}

/** A header's lists of files, as rpmbuild lays them out. */
function files(...all: readonly FileOf[]): Tag[] {
  const folders = all.map(({ path }) => path.slice(0, path.lastIndexOf('/') + 1));
  return [
    int16(1030, ...all.map(({ mode }) => mode ?? 0o100644)),
    texts(
      1035,
      all.map(({ digest }) => digest ?? 'a'.repeat(64)),
    ),
    int32(1037, ...all.map(() => 0)),
    texts(
      1039,
      all.map(() => 'root'),
    ),
    texts(
      1040,
      all.map(() => 'root'),
    ),
    int32(1116, ...all.map((_, i) => i)),
    texts(
      1117,
      all.map(({ path }, i) => path.slice(folders[i]?.length)),
    ),
    texts(1118, folders),
    texts(
      5010,
      all.map(({ capabilities }) => capabilities ?? ''),
    ),
  ];
}

const post = (script: string): Tag[] => [text(1024, script), text(1086, '/bin/sh')];
const X = { path: '/usr/bin/x' }; // what `makeRepository` lists for every package

describe('what is inside of a bump', () => {
  async function bumped(before: readonly Tag[], after: readonly Tag[], license = 'MIT') {
    const { site, serve } = await signedSite({ keep: 1 }, [vendor]);
    const beta = await build('beta', vendor, { more: files({ ...X, digest: 'b'.repeat(64) }) });
    const alpha = (version: string, more: readonly Tag[], terms: string) =>
      build('alpha', vendor, { version, more, license: terms });
    serve(makeRepository({ builds: [await alpha('1.0', before, 'MIT'), beta] }));
    await site.merge(await site.sync());
    await site.merge(await site.promote('unstable'));
    site.days(1);
    const builds = [await alpha('2.0', after, license), beta];
    serve(makeRepository({ builds, timestamp: 1_700_086_400 }));
    site.output();
    await site.sync();
    const synced = site.output();
    const number = await site.promote('unstable');
    site.output();
    await pullShow(site.world(), number ?? 0, { diff: false });
    return { synced, body: site.output() };
  }

  it('is said in the plan and in the pull request, and what gives rights asks for eyes', async () => {
    const { synced, body } = await bumped(
      [text(1011, 'Acme'), ...files({ path: '/usr/bin/alpha', mode: 0o100755 })],
      [
        text(1011, 'Evil'),
        ...post('systemctl restart alpha\necho `id`'),
        texts(1066, ['bash']),
        int32(1068, 1 << 16),
        texts(1065, ['true']),
        int32(1069, 0),
        texts(1092, ['/bin/sh']),
        ...files(
          { path: '/usr/bin/alpha', mode: 0o104755 },
          { path: '/usr/bin/ping', mode: 0o100755, capabilities: 'cap_net_raw=ep' },
          { path: '/usr/lib/systemd/system/alpha.timer' },
          X,
        ),
      ],
      'GPL-3.0-only',
    );
    const said = [
      'new %post',
      'new %triggerin -- bash',
      '/usr/bin/alpha is setuid root',
      '/usr/bin/ping is cap_net_raw=ep',
      'new /usr/lib/systemd/system/alpha.timer',
      'vendor Acme → Evil',
      'licence MIT → GPL-3.0-only',
      '/usr/bin/x is also owned by beta-3:1.0-1.el9.x86_64',
    ];
    for (const words of said) expect(synced).toContain(words);
    const plain = body.replaceAll('\\', '');
    const [attention = '', inside = ''] = plain.split('### Inside the packages');
    for (const words of said) expect(inside).toContain(`- ${words} (alpha)`);
    for (const words of said.filter((w) => !w.startsWith('licence')))
      expect(attention).toContain(`alpha: ${words}`);
    expect(attention).not.toContain('licence');
    expect(inside).toContain('  ```diff\n  + /bin/sh\n  + systemctl restart alpha\n  + echo `id`\n  ```');
  });

  it('of a script that changed, shows the lines; one that only names its version is the same', async () => {
    const script = (version: string, more: string) => [
      ...post(`touch /run/alpha-${version}-1.el9\n${more}\nexit 0`),
      text(1023, `echo ${version}-1.el9`),
      text(1085, '/bin/sh'),
    ];
    const { body } = await bumped(script('1.0', 'true'), script('2.0', 'reboot'));
    const inside = body.split('### Inside the packages')[1] ?? '';
    expect(inside).toContain('- %post changed (alpha)');
    expect(inside).toMatch(/- touch \/run\/alpha-1\.0-1\.el9\n {2}- true\n {2}\+ touch .*\n {2}\+ reboot/);
    expect(inside).not.toContain('%pre');
    expect(body).not.toContain('### Needs attention');
  });

  it('says nothing where nothing is other, nor of a file that both bring alike', async () => {
    const same = files({ ...X, digest: 'b'.repeat(64) });
    const { synced, body } = await bumped(files({ path: '/usr/bin/alpha' }), same);
    expect(synced).not.toContain('inside');
    expect(body).not.toContain('### Inside');
  });

  it('of packages that are not here, only what metadata says, and that it is only that', async () => {
    const { site, serve } = await signedSite(
      { keep: 1, content: 'thin', packages: { signatures: 'none', reason: 'thin' } },
      [vendor],
    );
    serve(makeRepository({ builds: [await build('alpha', vendor)] }));
    await site.merge(await site.sync());
    site.output();
    site.days(1);
    serve(
      makeRepository({
        builds: [await build('alpha', vendor, { version: '2.0' })],
        timestamp: 1_700_086_400,
      }),
    );
    await site.sync();
    expect(site.output()).toMatch(
      /1 build +packages are not here: scriptlets, modes and capabilities are not compared/,
    );
  });
});
