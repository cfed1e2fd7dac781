/** The policies of one site: two upstreams, two teams. `files` changes some of them. */

export const UPSTREAM = `apiVersion: sluice/v1
kind: Upstream
id: rocky-9-x86_64-baseos
baseurl: [https://dl.example.org/9/BaseOS/x86_64/os/]
keys:
  - { file: keys/RPM-GPG-KEY-Rocky-9, fingerprint: "21cb256ae16fc54c6e652949702d426d350d275d" }
packages: { signatures: none, reason: "checked at home" }
metadata: { signatures: none, reason: "Rocky signs packages, not repomd.xml", severity: trusted }
keep: 5
content: full
absent: { other: "listed, but never published" }
weakChecksums: [sha1]
forget: 30d
client: { cert: $RHEL_CERT, key: /etc/pki/entitlement/key.pem }
`;
export const APPSTREAM = `apiVersion: sluice/v1
kind: Upstream
id: rocky-9-x86_64-appstream
baseurl: ["file:///srv/rocky/9/AppStream"]
packages: { signatures: none, reason: "x" }
metadata: { signatures: none, reason: "x" }
`;
export const TEAM = `apiVersion: sluice/v1
kind: Team
team: infra
repositories: [rocky-9-x86_64-baseos, rocky-9-x86_64-appstream]
also: [web-prod-rocky-9-x86_64-baseos]
tiers:
  unstable: { from: live, wait: { seen: 2d }, keep: 2 }
  stable:   { from: unstable, wait: { inParent: 7d, seen: 10d }, security: { critical: 1d, important: 3d }, keep: 4,
              window: { days: [tue], from: "09:00", zone: Europe/Berlin }, mode: updates-only, auto: true }
  "1": { from: stable }
holds:
  - { match: "^kernel(-.*)?$", reason: "Lustre modules are built per kernel", owner: "@acme/hpc", until: 2027-03-31 }
  - glob: mysql*
    tier: stable
    repository: rocky-9-x86_64-appstream
    reason: customers
    owner: dba
deny:
  - { source: ^java-.*-openjdk$ }
`;
export const WEB = `apiVersion: sluice/v1
kind: Team
team: web
repositories: [rocky-9-x86_64-baseos]
tiers: { prod: { from: live } }
`;

export const FILES: Readonly<Record<string, string>> = {
  'policies/upstreams/rocky-9-x86_64-baseos.yaml': UPSTREAM,
  'policies/upstreams/rocky-9-x86_64-appstream.yaml': APPSTREAM,
  'policies/teams/infra.yaml': TEAM,
  'policies/teams/web.yaml': WEB,
  'policies/site.yaml':
    'apiVersion: sluice/v1\nkind: Site\nmirrorUrl: https://mirror.example.org\ngrace: 96h\n',
  'policies/keys/RPM-GPG-KEY-Rocky-9': 'armoured: [',
  'policies/README.md': '# Ours',
};
export const files = (change: Readonly<Record<string, string>> = {}) =>
  new Map(Object.entries({ ...FILES, ...change }));
