import type { NewUpstream } from '../distros.ts';

/** Values in double quotes: JSON strings are YAML's. */
const quoted = (text: string): string => JSON.stringify(text);

/** `policies/upstreams/<id>.yaml` */
export function upstreamPolicy(u: NewUpstream, content: 'full' | 'thin'): string {
  const local = u.baseurl.startsWith('file:');
  const transport = u.baseurl.startsWith('https:')
    ? 'TLS and checksums are all there is'
    : 'checksums are all there is';
  const unsigned = local ? 'your own repository, read from this machine' : `no key is known; ${transport}`;
  const packages =
    content === 'thin'
      ? `{ signatures: none, reason: "thin: packages are fetched by clients, never by this mirror" }`
      : u.keys.length > 0
        ? '{ signatures: required }'
        : `{ signatures: none, reason: ${quoted(unsigned)} }`;
  const reason = local ? 'read from this machine' : `not asked for here; ${transport}`;
  const lines = [
    `# ${u.title}: ${u.name.repo}`,
    ...u.notes.map((note) => `# ${note}`),
    'apiVersion: sluice/v1',
    'kind: Upstream',
    `id: ${u.id}`,
    '',
    '# Tried in turn: put the mirror that is nearest to you first.',
    'baseurl:',
    `  - ${quoted(u.baseurl)}`,
    '',
    ...keyLines(u),
    '# Of each package that is fetched: digests and signatures. What does not count is quarantined, and said.',
    `packages: ${packages}`,
    ...metadataLines(reason, local),
    '',
    '# Of what upstream no longer lists: how many builds of a package live keeps, besides those that a tier has.',
    'keep: 3',
    '',
    '# full: packages are fetched, verified and served. thin: clients take them from the base URL above.',
    `content: ${content}`,
  ];
  if (u.parentHref) lines.push('', '# Packages are beside the repository, not below it.', 'parentHref: true');
  if (u.client) {
    lines.push(
      '',
      '# These variables of the environment hold the paths of the files: no secret is in git.',
      'client:',
      '  cert: $SLUICE_RHEL_CERT',
      '  key: $SLUICE_RHEL_KEY',
      '  ca: $SLUICE_RHEL_CA',
    );
  }
  return `${lines.join('\n')}\n`;
}

function keyLines(u: NewUpstream): string[] {
  if (u.keys.length === 0) return [];
  return [
    '# Whose signatures count: the fingerprint decides, keys/README.md says where the files are from.',
    'keys:',
    ...u.keys.flatMap((k) => [
      `  # ${k.from}`,
      `  - { file: keys/${k.file}, fingerprint: ${quoted(k.fingerprint)} }`,
    ]),
    '',
  ];
}

/** Whoever can write the metadata can shorten the waits where severities are trusted: only what is read from disk is. */
function metadataLines(reason: string, local: boolean): string[] {
  if (local) return [`metadata: { signatures: none, reason: ${quoted(reason)}, severity: trusted }`];
  return [
    `metadata: { signatures: none, reason: ${quoted(reason)} }`,
    "# With `severity: trusted` in the line above, this upstream's advisories shorten the waits of tiers that have",
    '# `security:`; so does whoever can forge its metadata.',
  ];
}

/** `policies/teams/<team>.yaml`; `until`: `2027-11-21`. */
export function teamPolicy(o: {
  team: string;
  /** Whether `owner` is one that the code host knows. */
  hosted?: boolean;
  repositories: readonly string[];
  owner: string;
  until: string;
}): string {
  return `# Which repositories ${o.team} has, and how builds move towards its production.
apiVersion: sluice/v1
kind: Team
team: ${o.team}
${o.hosted ? `\n# Who reviews its pull requests.\nowners: [${quoted(o.owner)}]\n` : ''}
repositories:
${o.repositories.map((id) => `  - ${id}\n`).join('')}
tiers:
  # Two days after live had it, a build may move to unstable, where machines are that may break.
  unstable:
    from: live
    wait: { seen: 2d }
    keep: 2

  # A week in unstable, and ten days in all: then it may move to stable. What an advisory names moves sooner, where the
  # upstream's policy trusts its severities.
  stable:
    from: unstable
    wait: { inParent: 7d, seen: 10d }
    security: { critical: 1d, important: 3d }
    keep: 2
    # wait: { preset: beattie-10 }               # ten days, or beattie-30: see \`sluice presets\`
    # window: { days: [tue, wed], from: "09:00", to: "17:00", zone: Europe/Berlin }

# What clients have besides these repositories. Dependencies are looked for there too; what nobody provides makes a build
# wait, unless the clients have repositories that are not named here: \`complete: false\`.
# also: [epel-9-x86_64-everything]
# complete: false

# What these match does not move up by itself; what is there stays. \`match\` is a regular expression (RE2), searched in
# the package's name; \`glob\` and \`source\` (the source package's name) are the alternatives. In force until it is
# removed from here; \`until\` is the day on which someone has to look at it again.
holds:
  - match: "^kernel(-.*)?$"
    reason: "Example: new kernels go with a planned reboot. Keep it, narrow it or drop it"
    owner: "${o.owner}"
    until: "${o.until}"
  # Presets are lists of patterns that come with Sluice; \`sluice presets\` shows them.
  # - preset: kernel-space                      # modules and what is built for a kernel, too
  #   add: ["^our-driver-"]
  #   except: ["^kernel-headers$"]
  #   reason: "Kernels and modules go with a planned reboot"
  #   owner: "${o.owner}"
  # - preset: services                          # bind, httpd, nginx, databases, mail, ...
  #   reason: "A restart needs an announcement"
  #   owner: "${o.owner}"
`;
}

/** `policies/site.yaml`: every key with its default, so that it need not be looked up. */
export function sitePolicy(mirrorUrl: string | undefined, on?: { owner: string; github: string }): string {
  const url = mirrorUrl ?? 'https://mirror.example.com';
  return `# What holds for the whole mirror.
apiVersion: sluice/v1
kind: Site

# Where clients reach <mirror>/public; \`sluice repofile\` writes it into their .repo files.
${mirrorUrl === undefined ? '# ' : ''}mirrorUrl: ${quoted(url)}

# Where hosts without a mirror (CI) take what \`sluice check\` asks, by checksum. Named, a check fails when it cannot be had.
# catalogUrl: ${quoted(`${url.replace(/\/+$/, '')}/catalog`)}

# How long a published tree stays after it was replaced: dnf caches metadata for 48 hours.
grace: 72h

# How long what no manifest names any more can still be published again.
retain: 400d

# gzip where clients of EL 7 or older are served.
compression: zstd

${
  on === undefined
    ? ''
    : `# Who reviews what belongs to no team; \`sluice fix\` writes .github/CODEOWNERS from it and from the owners of teams.
owners: [${quoted(on.owner)}]

# Keys of which one has signed each tip of main that is published: docs/github.md of Sluice.
# mainSignedBy:
#   - { file: keys/github-web-flow.asc, fingerprint: "…" }

# Once this repository is there: forge: { github: ${on.github} }
`
}forge: local
`;
}

/** `policies/keys/README.md` */
export function keysReadme(upstreams: readonly NewUpstream[]): string {
  const rows = new Map<string, string>();
  for (const { keys } of upstreams) {
    for (const k of keys) rows.set(k.fingerprint, `| ${k.file} | \`${k.fingerprint}\` | <${k.from}> |`);
  }
  const table =
    rows.size === 0
      ? 'None of the upstreams here is of a vendor whose keys Sluice knows.\n'
      : `| file | fingerprint | from |\n|---|---|---|\n${[...rows.values()].join('\n')}\n`;
  return `# Keys of the vendors

Armoured public keys, under the names that \`keys:\` of the upstreams say; the fingerprint there decides, whatever a file is called.
\`sluice check\` opens each of them, and \`sluice publish\` serves them to clients below \`keys/\`. One that is missing stops
the sync of its upstreams: fetch it from its vendor, compare, and commit it in a pull request:

    gpg --show-keys --with-fingerprint RPM-GPG-KEY-…

A vendor's next key is added beside the old one before it signs anything; both count until the old one is removed.

${table}`;
}
