import { defaults, type ServedRepository, served, stream } from '../fixtures/clientSets.ts';

/** Small sets on which a client's choice is not obvious. Each is put to dnf too (test/oracle/clients-dnf.test.ts). */
export interface ModuleCase {
  readonly what: string;
  readonly repositories: readonly ServedRepository[];
  readonly platform?: string;
}

const one = (
  what: string,
  builds: readonly string[],
  modules: readonly string[],
  o: { platform?: string } = {},
): ModuleCase => ({ what, repositories: [served('one', builds, modules)], ...o });

const WEB = ['web-1-1.x86_64', 'web-2-1.x86_64', 'web-3-1.x86_64'];
const WEBS = [stream('web:1', ['web-0:1-1.x86_64']), stream('web:2', ['web-0:2-1.x86_64'])];
const DB = ['db-1-1.x86_64', 'db-2-1.x86_64'];
const needs = (text: string) => ({ requires: `${text}, platform: [el9]` });

export const CASES: readonly ModuleCase[] = [
  one('no default: builds of streams are hidden, the one without a module stays', WEB, WEBS),
  one('a default hides a newer build of the same name that no stream lists', WEB, [
    ...WEBS,
    defaults('web:1'),
  ]),
  one(
    'a build that provides a name of an active stream is hidden, a source package of any name is not',
    [
      'web-1-1.x86_64',
      'httpd-1-1.x86_64 provides web',
      'web-2-1.src',
      'other-1-1.src provides web',
      'db-1-1.noarch',
    ],
    [stream('web:1', ['web-0:1-1.x86_64']), defaults('web:1')],
  ),
  one(
    'the name of a source artifact hides source packages only',
    ['web-1-1.src', 'web-2-1.src', 'web-2-1.x86_64', 'db-1-1.x86_64', 'db-9-1.x86_64'],
    [stream('web:1', ['web-0:1-1.src', 'db-0:1-1.x86_64']), defaults('web:1')],
  ),
  one(
    'two default streams that need each other',
    [...WEB, ...DB],
    [
      stream('web:1', ['web-0:1-1.x86_64'], needs('db: [1]')),
      stream('db:1', ['db-0:1-1.x86_64'], needs('web: [1]')),
      stream('db:2', ['db-0:2-1.x86_64']),
      defaults('web:1'),
      defaults('db:1'),
    ],
  ),
  one(
    'a default whose requirement nobody has, and a stream that requires it',
    [...WEB, ...DB],
    [
      stream('web:1', ['web-0:1-1.x86_64'], needs('gone: [1]')),
      stream('web:2', ['web-0:2-1.x86_64'], needs('gone: []')),
      stream('db:1', ['db-0:1-1.x86_64'], needs('web: [1]')),
      stream('db:2', ['db-0:2-1.x86_64']),
      defaults('web:1'),
      defaults('db:2'),
    ],
  ),
  one(
    'a stream pulls a stream of another module in place of its default',
    [...WEB, ...DB],
    [
      stream('web:1', ['web-0:1-1.x86_64']),
      stream('web:2', ['web-0:2-1.x86_64'], needs('db: [2]')),
      stream('db:1', ['db-0:1-1.x86_64']),
      stream('db:2', ['db-0:2-1.x86_64']),
      defaults('db:1'),
      defaults('web:1'),
    ],
  ),
  one(
    'two contexts, each for another stream of what it needs',
    [...WEB, ...DB],
    [
      stream('web:1', ['web-0:1-1.x86_64'], { ...needs('db: [1]'), context: 'aaaa' }),
      stream('web:1', ['web-0:2-1.x86_64'], { ...needs('db: [2]'), context: 'bbbb' }),
      stream('db:1', ['db-0:1-1.x86_64']),
      stream('db:2', ['db-0:2-1.x86_64']),
      defaults('web:1'),
    ],
  ),
  one('two contexts that a person named, with the same requirements', WEB, [
    stream('web:1', ['web-0:1-1.x86_64'], { fixed: true, context: 'b', version: 7 }),
    stream('web:1', ['web-0:2-1.x86_64'], { fixed: true, context: 'a', version: 3 }),
    defaults('web:1'),
  ]),
  one('a hash beside a named context: the same requirements are the same context', WEB, [
    stream('web:1', ['web-0:1-1.x86_64'], { fixed: true, context: 'rhel9', version: 7 }),
    stream('web:1', ['web-0:2-1.x86_64'], { context: 'abcdef12', version: 3 }),
    defaults('web:1'),
  ]),
  one('versions of one stream are active together', WEB, [
    stream('web:1', ['web-0:1-1.x86_64'], { version: 9 }),
    stream('web:1', ['web-0:2-1.x86_64'], { version: 10 }),
    defaults('web:1'),
  ]),
  one(
    'the newest version cannot be had, the one before can; contexts that a person named',
    [...WEB, ...DB],
    [
      stream('web:1', ['web-0:1-1.x86_64'], { fixed: true, context: 'f', version: 9 }),
      stream('web:1', ['web-0:2-1.x86_64'], {
        fixed: true,
        context: 'f',
        version: 10,
        ...needs('gone: [1]'),
      }),
      stream('db:1', ['db-0:1-1.x86_64'], needs('web: [1]')),
      defaults('web:1'),
    ],
  ),
  one('a build that two streams list', WEB, [
    stream('web:1', ['web-0:1-1.x86_64', 'web-0:3-1.x86_64']),
    stream('web:2', ['web-0:2-1.x86_64', 'web-0:3-1.x86_64']),
    defaults('web:1'),
  ]),
  one('an artifact that is not there hides the builds of its name', WEB, [
    stream('web:1', ['web-0:99-1.x86_64', 'web-1:3-1.x86_64']),
    stream('db:1', ['db-0:1-1.x86_64']),
    defaults('web:1'),
  ]),
  one(
    'documents of another arch, of none, and of an older one',
    [...WEB, ...DB, 'web-1-1.aarch64', 'web-1-1.i686', 'web-3-1.i686', 'tool-1-1.aarch64', 'old-1-1.i386'],
    [
      stream('web:1', ['web-0:1-1.aarch64', 'web-0:2-1.x86_64'], { arch: 'aarch64' }),
      stream('web:2', ['web-0:3-1.x86_64'], { arch: 'i686' }),
      stream('db:1', ['db-0:1-1.x86_64'], { arch: 'noarch' }),
      stream('db:1', ['db-0:2-1.x86_64'], { arch: 'aarch64' }),
      defaults('web:1'),
      defaults('db:1'),
    ],
  ),
  one(
    'an arch of one version, another of the next',
    [...WEB, ...DB, 'db-3-1.x86_64'],
    [
      stream('web:1', ['web-0:1-1.x86_64'], { version: 1 }),
      stream('web:1', ['web-0:2-1.x86_64'], { version: 2, arch: 'noarch' }),
      stream('web:1', ['web-0:3-1.x86_64'], { version: 3, arch: 'i686' }),
      defaults('web:1'),
    ],
  ),
  one(
    'names that left the module are free again',
    [...WEB, 'web-libs-1-1.x86_64', 'web-libs-9-1.x86_64'],
    [
      stream('web:1', ['web-0:1-1.x86_64', 'web-libs-0:1-1.x86_64'], { version: 1 }),
      stream('web:1', ['web-0:2-1.x86_64', 'web-libs-0:1-1.x86_64'], {
        version: 2,
        demodularized: 'web-libs',
      }),
      defaults('web:1'),
    ],
  ),
  one(
    'names that left an older version only are not',
    [...WEB, 'web-libs-1-1.x86_64', 'web-libs-9-1.x86_64'],
    [
      stream('web:1', ['web-0:1-1.x86_64', 'web-libs-0:1-1.x86_64'], {
        version: 1,
        demodularized: 'web-libs',
      }),
      stream('web:1', ['web-0:2-1.x86_64'], { version: 2 }),
      defaults('web:1'),
    ],
  ),
  one(
    'a stream to stay away from, and a name with a hyphen that dnf takes for one',
    [...WEB, ...DB],
    [
      stream('web:1', ['web-0:1-1.x86_64'], needs('db: [-1]')),
      stream('web:2', ['web-0:2-1.x86_64'], needs('db: [x1-rc]')),
      stream('db:1', ['db-0:1-1.x86_64']),
      stream('db:1-rc', ['db-0:2-1.x86_64']),
      defaults('db:1'),
    ],
  ),
  one(
    'another platform',
    [...WEB, ...DB],
    [...WEBS, defaults('web:1'), stream('db:1', ['db-0:1-1.x86_64'], { requires: '' }), defaults('db:1')],
    { platform: 'el8' },
  ),
  one(
    'any stream of what it requires, by text',
    [...WEB, ...DB, 'lib-1-1.x86_64', 'lib-10-1.x86_64', 'lib-9-1.x86_64'],
    [
      stream('web:1', ['web-0:1-1.x86_64'], needs('lib: []')),
      stream('web:2', ['web-0:2-1.x86_64'], needs('lib: [10, 9]')),
      stream('lib:1', ['lib-0:1-1.x86_64'], needs('db: [1]')),
      stream('lib:10', ['lib-0:10-1.x86_64']),
      stream('lib:9', ['lib-0:9-1.x86_64']),
    ],
  ),
  one(
    'defaults that exclude each other: the one that comes first by name stays',
    [...WEB, ...DB, 'lib-1-1.x86_64', 'lib-2-1.x86_64'],
    [
      stream('web:1', ['web-0:1-1.x86_64'], needs('lib: [1]')),
      stream('db:1', ['db-0:1-1.x86_64'], needs('lib: [2]')),
      stream('lib:1', ['lib-0:1-1.x86_64']),
      stream('lib:2', ['lib-0:2-1.x86_64']),
      defaults('web:1'),
      defaults('db:1'),
    ],
  ),
  one(
    'three defaults of which any two fit',
    [...WEB, ...DB, 'lib-1-1.x86_64', 'lib-2-1.x86_64', 'log-1-1.x86_64', 'log-2-1.x86_64'],
    [
      stream('a:1', ['web-0:1-1.x86_64'], needs('lib: [1], log: [1, 2]')),
      stream('b:1', ['web-0:2-1.x86_64'], needs('lib: [1, 2], log: [2]')),
      stream('c:1', ['db-0:1-1.x86_64'], needs('lib: [2], log: [1]')),
      stream('lib:1', ['lib-0:1-1.x86_64']),
      stream('lib:2', ['lib-0:2-1.x86_64']),
      stream('log:1', ['log-0:1-1.x86_64']),
      stream('log:2', ['log-0:2-1.x86_64']),
      defaults('a:1'),
      defaults('b:1'),
      defaults('c:1'),
    ],
  ),
  {
    what: 'two repositories: one with module_hotfixes, equal builds in both, defaults that disagree',
    repositories: [
      served(
        'one',
        [...WEB, ...DB, 'web-2-1.noarch'],
        [...WEBS, stream('db:1', ['db-0:1-1.x86_64']), defaults('web:1', 5), defaults('db:1', 5)],
      ),
      { ...served('two', ['web-3-1.x86_64', 'web-4-1.x86_64', 'db-1-1.x86_64'], []), moduleHotfixes: true },
      served(
        'three',
        ['web-5-1.x86_64', 'web-1-1.x86_64'],
        [stream('web:1', ['web-0:1-1.x86_64'], { version: 2 }), defaults('web:2', 5), defaults('db:2', 6)],
      ),
    ],
  },
  {
    what: 'defaults of the later date',
    repositories: [
      served('one', WEB, [...WEBS, defaults('web:2', 20230102)]),
      served(
        'two',
        [],
        [...WEBS, defaults('web:1', 20230101), defaults('web:1', 20230103), defaults('web:1', 7)],
      ),
    ],
  },
];
