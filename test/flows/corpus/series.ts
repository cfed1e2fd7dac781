import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CORPUS } from '../../fixtures/oracle.ts';

/** One upstream of the corpus as it was at one or more times, oldest first. */
export interface Series {
  readonly name: string;
  /** Folders that hold a `repodata/`. */
  readonly versions: readonly string[];
  /** What its policy says beyond a base URL. */
  readonly policy: Readonly<Record<string, unknown>>;
  /** Builds for machines that dnf was not asked about, with sha1 for pkgids: libsolv itself is asked as well. */
  readonly libsolv?: boolean;
  /** Some files that its metadata lists are not there: served are those that are, listed anew by createrepo_c. */
  readonly relisted?: boolean;
  /** Whose signatures its policy asks for; the file is below the corpus. */
  readonly key?: { readonly file: string; readonly fingerprint: string };
}

const LACKING = 'the corpus lacks it';
const absent = (...types: string[]) => ({
  absent: Object.fromEntries(types.map((type) => [type, LACKING])),
});

/** What a plain policy for thin content does not say; repositories without an entry need nothing more. */
const SPECIAL: Readonly<Record<string, Partial<Series>>> = {
  'centos-9-appstream-2025-01': { policy: absent('filelists', 'other') },
  'centos-9-appstream-series': { policy: absent('filelists', 'other') },
  'centos-9-baseos': { policy: absent('other') },
  'opensuse-11.0-update': {
    policy: { ...absent('filelists', 'other'), weakChecksums: ['sha1'] },
    libsolv: true,
  },
  'pgdg-signed-series': {
    policy: { content: 'full', packages: { signatures: 'required' } },
    key: {
      file: 'keys/postgresql/PGDG-RPM-GPG-KEY-RHEL',
      fingerprint: 'D4BF08AE67A0B4C7A1DBCCD240BCA2B408B40D20',
    },
  },
  'rpms-al2023': {
    policy: { content: 'full', packages: { signatures: 'required' } },
    key: { file: 'rpms-al2023/RPM-GPG-KEY', fingerprint: 'B58756FC2C27C23BDF8F11AFC9AAC1AB0CA9583C' },
    relisted: true,
  },
};

/** Every repository of the corpus, each in its series, in the order of their numbers and dates. */
export function corpusSeries(): Series[] {
  if (!CORPUS) return [];
  const root = CORPUS;
  const isRepository = (folder: string) => existsSync(join(folder, 'repodata/repomd.xml'));
  return foldersIn(root).flatMap((folder) => {
    const name = basename(folder);
    const below = isRepository(folder) ? [folder] : foldersIn(folder).filter(isRepository);
    if (below.length === 0) return [];
    const { policy, ...special } = SPECIAL[name] ?? {};
    return [{ name, versions: below, policy: { content: 'thin', ...policy }, ...special }];
  });
}

function foldersIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name))
    .sort();
}
