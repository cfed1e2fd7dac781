/**
 * Where the distributions are and whose keys sign them: facts, each with its source. Paths are what each vendor's own
 * `*-release` package puts into `/etc/yum.repos.d`, as kept by two projects that install from them every day:
 *   [mock]  rpm-software-management/mock, mock-core-configs/etc/mock/templates, commit 8178752 (2026-05-19)
 *   [mkosi] systemd/mkosi, mkosi/distribution, commit 70ce10d (2026-07-01)
 * Fingerprints were read with `gpg --show-keys` from
 *   [keys]  rpm-software-management/distribution-gpg-keys, commit 65c3eae (2026-08-11), whose SOURCES.md names the
 *           vendor's address of each key
 */
export interface VendorKey {
  /** As the vendor names the file. */
  readonly file: string;
  /** 40 upper-case hex digits. */
  readonly fingerprint: string;
  /** Where the vendor publishes the key, or its fingerprint. */
  readonly from: string;
}

export interface VendorRepository {
  readonly repo: string;
  /** `{base}` and `{arch}` are filled in. */
  readonly url: string;
  /** Not enabled by the vendor, but needed by what EPEL builds upon: comes only where EPEL does. */
  readonly withEpel?: true;
  /** Where it is not the distribution's own. */
  readonly keys?: readonly VendorKey[];
}

export interface Distribution {
  /** `rocky-9`: what `--distro` names. */
  readonly id: string;
  readonly title: string;
  readonly os: string;
  readonly version: string;
  /** The Enterprise Linux that EPEL may be added to. */
  readonly el?: string;
  /** Absent: the site must say (`--distro id=URL`), as `needs` explains. */
  readonly base?: string;
  readonly needs?: string;
  readonly repositories: readonly VendorRepository[];
  readonly keys: readonly VendorKey[];
  /** What people should know; comment lines of the policy. */
  readonly notes: readonly string[];
  /** Served only to holders of a client certificate. */
  readonly client?: true;
  /** Package locations leave the base by `../`. */
  readonly parentHref?: true;
}

const key = (file: string, fingerprint: string, from: string): VendorKey => ({ file, fingerprint, from });

// [keys] SOURCES.md: https://dl.rockylinux.org/pub/rocky/RPM-GPG-KEY-Rocky-{8,9,10}
const ROCKY_KEYS: Readonly<Record<string, string>> = {
  '8': '7051C470A929F454CEBE37B715AF5DAC6D745A60',
  '9': '21CB256AE16FC54C6E652949702D426D350D275D',
  '10': 'FC226859C0860BF0DDB95B085B106C736FEDFC85',
};

// [mock] rocky-8.tpl, rocky-10.tpl: {baseos,appstream,powertools|crb,extras}; dl.rockylinux.org in its comments
function rocky(version: '8' | '9' | '10'): Distribution {
  const crb = version === '8' ? 'PowerTools' : 'CRB';
  const file = `RPM-GPG-KEY-Rocky-${version}`;
  return {
    id: `rocky-${version}`,
    title: `Rocky Linux ${version}`,
    os: 'rocky',
    version,
    el: version,
    base: `https://dl.rockylinux.org/pub/rocky/${version}`,
    repositories: [...enterprise('{base}/', '{arch}/os/', crb), extras('{base}/extras/{arch}/os/')],
    keys: [key(file, ROCKY_KEYS[version] ?? '', `https://dl.rockylinux.org/pub/rocky/${file}`)],
    notes: [],
  };
}

// [keys] SOURCES.md: https://repo.almalinux.org/almalinux/. AlmaLinux 8 changed keys: the file also holds
// 5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8, expired in 2024, which signed what was built before.
const ALMA_KEYS: Readonly<Record<string, string>> = {
  '8': 'BC5EDDCADF502C077F1582882AE81E8ACED7258B',
  '9': 'BF18AC2876178908D6E71267D36CB86CB86B3716',
  '10': 'EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572',
};

// [mock] almalinux-8.tpl, almalinux-10.tpl; [mkosi] alma.py
function alma(version: '8' | '9' | '10'): Distribution {
  const crb = version === '8' ? 'PowerTools' : 'CRB';
  const file = `RPM-GPG-KEY-AlmaLinux-${version}`;
  return {
    id: `alma-${version}`,
    title: `AlmaLinux OS ${version}`,
    os: 'alma',
    version,
    el: version,
    base: `https://repo.almalinux.org/almalinux/${version}`,
    repositories: [...enterprise('{base}/', '{arch}/os/', crb), extras('{base}/extras/{arch}/os/')],
    keys: [key(file, ALMA_KEYS[version] ?? '', `https://repo.almalinux.org/almalinux/${file}`)],
    notes: [],
  };
}

// [mock] centos-stream-9.tpl, centos-stream-10.tpl; [mkosi] centos.py for the keys' addresses
function centos(version: '9' | '10'): Distribution {
  const file = version === '9' ? 'RPM-GPG-KEY-CentOS-Official' : 'RPM-GPG-KEY-CentOS-Official-SHA256';
  const sig = 'RPM-GPG-KEY-CentOS-SIG-Extras';
  return {
    id: `centos-${version}`,
    title: `CentOS Stream ${version}`,
    os: 'centos',
    version,
    el: version,
    base: `https://mirror.stream.centos.org`,
    repositories: [
      ...enterprise(`{base}/${version}-stream/`, '{arch}/os/', 'CRB'),
      {
        ...extras(`{base}/SIGs/${version}-stream/extras/{arch}/extras-common/`),
        keys: [key(sig, '363FC0972F64B699AED3968E1FF6A2171D997668', `https://www.centos.org/keys/${sig}`)],
      },
    ],
    keys: [key(file, '99DB70FAE1D7CE227FB6488205B555B38483C65D', `https://www.centos.org/keys/${file}`)],
    notes: [],
  };
}

// [keys] SOURCES.md: https://access.redhat.com/security/team/key. 9 and 10 are signed with a post-quantum key too, of
// OpenPGP version 6, which gpg 2.2 cannot show: its fingerprint could not be confirmed and is not here.
const REDHAT = 'https://access.redhat.com/security/team/key';
const REDHAT_RELEASE_2 = '567E347AD0044ADE55BA8A5F199E2F91FD431D51';
const REDHAT_KEYS: Readonly<Record<string, readonly string[]>> = {
  '8': [REDHAT_RELEASE_2, '43A6E49C4A38F4BE9ABF2A5345689C882FA658E0'],
  '9': [REDHAT_RELEASE_2, '7E4624258C406535D56D6F135054E4A45A6340B3'],
  '10': [REDHAT_RELEASE_2, '7E4624258C406535D56D6F135054E4A45A6340B3'],
};

// [mock] rhel-8.tpl, rhel-9.tpl, rhel-10.tpl; [mkosi] rhel.py
function rhel(version: '8' | '9' | '10'): Distribution {
  return {
    id: `rhel-${version}`,
    title: `Red Hat Enterprise Linux ${version}`,
    os: 'rhel',
    version,
    el: version,
    base: `https://cdn.redhat.com/content/dist/rhel${version}/${version}`,
    repositories: [
      { repo: 'baseos', url: '{base}/{arch}/baseos/os/' },
      { repo: 'appstream', url: '{base}/{arch}/appstream/os/' },
      { repo: 'codeready-builder', url: '{base}/{arch}/codeready-builder/os/', withEpel: true },
    ],
    keys: (REDHAT_KEYS[version] ?? []).map((print) => key('RPM-GPG-KEY-redhat-release', print, REDHAT)),
    notes: [
      'The content network asks for a subscription: on a registered host the certificate and its key are',
      '/etc/pki/entitlement/<id>.pem and <id>-key.pem, and the authority is /etc/rhsm/ca/redhat-uep.pem.',
    ],
    client: true,
  };
}

// [mock] fedora-branched.tpl has a metalink; the paths on the master server are [mkosi] fedora.py's. Each release has a key
// of its own, in the package fedora-repos. 45: key and path as of the releases before it; it was branched when the
// sources above were written, so until it is released its packages are below development/45, not releases/45.
const FEDORA_KEYS: Readonly<Record<string, string>> = {
  '43': 'C6E7F081CF80E13146676E88829B606631645531',
  '44': '36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6',
  '45': '4F50A6114CD5C6976A7F1179655A4B02F577861E',
};

function fedora(version: '43' | '44' | '45'): Distribution {
  const file = `RPM-GPG-KEY-fedora-${version}-primary`;
  return {
    id: `fedora-${version}`,
    title: `Fedora Linux ${version}`,
    os: 'fedora',
    version,
    base: 'https://dl.fedoraproject.org/pub/fedora/linux',
    repositories: [
      { repo: 'fedora', url: `{base}/releases/${version}/Everything/{arch}/os/` },
      { repo: 'updates', url: `{base}/updates/${version}/Everything/{arch}/` },
    ],
    keys: [
      key(file, FEDORA_KEYS[version] ?? '', 'https://src.fedoraproject.org/rpms/fedora-repos/tree/rawhide'),
    ],
    notes: ['A Fedora that has ended moves to https://archives.fedoraproject.org: rename the base then.'],
  };
}

// [mkosi] centos.py, epel_repositories: {mirror}/epel/<version>/Everything/<arch>
const EPEL_KEYS: Readonly<Record<string, string>> = {
  '8': '94E279EB8D8F25B21810ADF121EA45AB2F86D6A1',
  '9': 'FF8AD1344597106ECE813B918A3872BF3228467C',
  '10': '7D8D15CBFC4E62688591FB2633D98517E37ED158',
};

function epel(version: '8' | '9' | '10'): Distribution {
  const file = `RPM-GPG-KEY-EPEL-${version}`;
  return {
    id: `epel-${version}`,
    title: `Extra Packages for Enterprise Linux ${version}`,
    os: 'epel',
    version,
    base: `https://dl.fedoraproject.org/pub/epel/${version}`,
    repositories: [{ repo: 'everything', url: '{base}/Everything/{arch}/' }],
    keys: [key(file, EPEL_KEYS[version] ?? '', `https://dl.fedoraproject.org/pub/epel/${file}`)],
    notes:
      version === '10'
        ? [
            'EPEL 10 follows CentOS Stream 10; for a minor release of RHEL, Rocky or Alma 10 there is a branch of',
            'its own, such as https://dl.fedoraproject.org/pub/epel/10.1z/Everything/<arch>/.',
          ]
        : [],
  };
}

const OPENSUSE_2022 = key(
  'RPM-GPG-KEY-openSUSE-2022',
  'AD485664E901B867051AB15F35A2F86E29B700A4',
  'https://build.opensuse.org/projects/openSUSE:Factory/signing_keys',
);
const SUSE_PAGE = 'https://www.suse.com/support/security/keys/';
const SLE_2023 = key('RPM-GPG-KEY-SuSE-SLE-Main-2023', '7F009157B127B994D5CFBE76F74F09BC3FA1D6CE', SUSE_PAGE);
const SLE_2013 = key('RPM-GPG-KEY-SuSE-SLE-12', 'FEAB502539D846DB2C0961CA70AF9E8139DB7C82', SUSE_PAGE);
const BACKPORTS_2023 = key(
  'RPM-GPG-KEY-openSUSE-Backports-2023',
  'F044C2C507A1262B538AAADD8A49EB0325DB7AE0',
  'https://build.opensuse.org/projects/openSUSE:Backports/signing_keys',
);

// [mock] opensuse-leap-15.6.tpl, also for aarch64: one repository has the packages of every architecture
const LEAP_15_6: Distribution = {
  id: 'leap-15.6',
  title: 'openSUSE Leap 15.6',
  os: 'leap',
  version: '15.6',
  base: 'https://download.opensuse.org',
  repositories: [
    {
      repo: 'oss',
      url: '{base}/distribution/leap/15.6/repo/oss/',
      keys: [OPENSUSE_2022, BACKPORTS_2023, SLE_2023, SLE_2013],
    },
    { repo: 'oss-update', url: '{base}/update/leap/15.6/oss/' },
    { repo: 'sle-update', url: '{base}/update/leap/15.6/sle/', keys: [SLE_2023] },
    { repo: 'backports-update', url: '{base}/update/leap/15.6/backports/', keys: [BACKPORTS_2023] },
  ],
  keys: [OPENSUSE_2022],
  notes: ['One repository serves every architecture: builds of the others come along.'],
};

// openSUSE/openSUSE-repos, opensuse-leap16-repoindex.xml, commit 9adc675 (2025-07-28): repo/oss/$basearch, no update
// repository. Keys: [mock] opensuse-leap-16.0.tpl.
const LEAP_16_0: Distribution = {
  id: 'leap-16.0',
  title: 'openSUSE Leap 16.0',
  os: 'leap',
  version: '16.0',
  base: 'https://download.opensuse.org',
  repositories: [{ repo: 'oss', url: '{base}/distribution/leap/16.0/repo/oss/{arch}/' }],
  keys: [
    OPENSUSE_2022,
    key('RPM-GPG-KEY-SuSE-ALP-Main', '1C59D66FCD52563A16933DBCFEC28EAF09D9EA69', SUSE_PAGE),
    key(
      'RPM-GPG-KEY-openSUSE-16-Backports',
      'BF3F9A67D3A2FF98A73F5E07488C583D287A0027',
      'https://build.opensuse.org/projects/openSUSE:Backports:SLE-16.0/signing_keys',
    ),
  ],
  notes: [],
};

// The paths below a mirroring server are those of SUSE's own (uyuni-project/uyuni: SUSE/Updates/SLE-Module-Basesystem/
// 15-SP7/x86_64/update; sites' configurations: /repo/SUSE/Products/…/product)
const SLES_15_7: Distribution = {
  id: 'sles-15.7',
  title: 'SUSE Linux Enterprise Server 15 SP7',
  os: 'sles',
  version: '15.7',
  needs:
    'name your mirroring server (RMT), such as sles-15.7=https://rmt.example.com/repo, or sles-15.7=https://updates.suse.com ' +
    'and write into each policy where its token is (auth)',
  repositories: ['Basesystem', 'Server-Applications'].flatMap((name) => [
    {
      repo: `${name.toLowerCase()}-pool`,
      url: `{base}/SUSE/Products/SLE-Module-${name}/15-SP7/{arch}/product/`,
    },
    {
      repo: `${name.toLowerCase()}-updates`,
      url: `{base}/SUSE/Updates/SLE-Module-${name}/15-SP7/{arch}/update/`,
    },
  ]),
  keys: [SLE_2023, SLE_2013],
  notes: [
    'From the customer center itself each repository asks for a token, the query of its address there. The variable',
    'holds the token, without the question mark: auth: { query: $SLUICE_SLES_TOKEN }',
  ],
};

// [mock] amazonlinux-2023.tpl has only a mirrorlist: https://cdn.amazonlinux.com/al2023/core/mirrors/<release or
// latest>/<arch>/mirror.list, one line, https://cdn.amazonlinux.com/al2023/core/guids/<64 hex digits>/<arch>/. Each
// release has another id and stays as it is; packages are at ../../../../blobstore/<digest>/ (seen in published locks).
const AMAZON_2023: Distribution = {
  id: 'amazon-2023',
  title: 'Amazon Linux 2023',
  os: 'amazon',
  version: '2023',
  needs:
    'name the address of a release, amazon-2023=https://cdn.amazonlinux.com/al2023/core/guids/<id>/<arch>/: it is the ' +
    'one line of https://cdn.amazonlinux.com/al2023/core/mirrors/latest/<arch>/mirror.list',
  repositories: [{ repo: 'core', url: '{base}/' }],
  keys: [
    key(
      'RPM-GPG-KEY-amazon-linux-2023',
      'B21C50FA44A99720EAA72F7FE951904AD832C631',
      'https://cdn.amazonlinux.com/_assets/E951904AD832C631.asc',
    ),
  ],
  notes: [
    'The address names one release, which never changes. For the next one, put the line of',
    'https://cdn.amazonlinux.com/al2023/core/mirrors/latest/<arch>/mirror.list here, in a pull request.',
  ],
  parentHref: true,
};

function enterprise(before: string, after: string, crb: string): VendorRepository[] {
  return [
    { repo: 'baseos', url: `${before}BaseOS/${after}` },
    { repo: 'appstream', url: `${before}AppStream/${after}` },
    { repo: crb.toLowerCase(), url: `${before}${crb}/${after}`, withEpel: true },
  ];
}

function extras(url: string): VendorRepository {
  return { repo: 'extras', url };
}

export const DISTRIBUTIONS: readonly Distribution[] = [
  ...(['8', '9', '10'] as const).map(rocky),
  ...(['8', '9', '10'] as const).map(alma),
  ...(['9', '10'] as const).map(centos),
  ...(['8', '9', '10'] as const).map(rhel),
  ...(['43', '44', '45'] as const).map(fedora),
  ...(['8', '9', '10'] as const).map(epel),
  LEAP_15_6,
  LEAP_16_0,
  SLES_15_7,
  AMAZON_2023,
];
