import { type Survey, surveyGithub } from '../forge/github-survey.ts';
import type { TokenKind } from '../forge/github-token.ts';
import type { Repository } from '../forge/repository.ts';
import type { GithubPlace } from '../manifest/policy.ts';
import { MIRROR_CHECK } from './check-pulls.ts';
import type { World } from './context.ts';
import { type Finding, wrong } from './doctor.ts';
import { checkOrigin, timingOf, tokensOf } from './forge-of.ts';
import { VERSION } from './version.ts';

/** Labels that the bot sets, or people do to tell it something. */
const LABELS = ['sluice', 'sluice:edited', 'sluice:stop-updating'];
const PLAN_CHECK = 'sluice/plan';
const SETTINGS = 'Settings → Rules → Rulesets, for main';

/** What is missing on GitHub: token, rules, labels, workflows, owners. */
export async function githubFindings(world: World, repo: Repository, place: GithubPlace): Promise<Finding[]> {
  try {
    await checkOrigin(repo, place);
    const tokens = await tokensOf(world, place);
    const [owner = '', name = ''] = place.github.split('/');
    const o = { owner, repo: name, api: place.api, tokens, userAgent: `sluice/${VERSION}` };
    const survey = await surveyGithub({ ...o, ...timingOf(world) });
    return [
      tokenFinding(tokens.kind, tokens.from),
      ...actionsFindings(tokens.kind, survey.actionsMayPropose),
      ...repositoryFindings(place, survey),
      ...ruleFindings(survey.rules, tokens.kind),
      labelFinding(survey.labels),
      ...workflowFindings(survey),
      await ownersFinding(repo),
    ];
  } catch (error) {
    return [wrong(`github ${place.github}`, error)];
  }
}

function tokenFinding(kind: TokenKind, from: string): Finding {
  const about = 'token';
  const app =
    'Register a GitHub App (contents, pull requests, issues and checks: write), and set SLUICE_GITHUB_APP_ID and SLUICE_GITHUB_APP_KEY.';
  switch (kind) {
    case 'app':
      return { about, is: 'ok', says: `of a GitHub App, from ${from}` };
    case 'personal':
      return {
        about,
        is: 'warning',
        says: `a person's, from ${from}: commits are not verified, and are that person's doing`,
        next: app,
      };
    case 'actions': {
      const says =
        'the GITHUB_TOKEN of a workflow: checks of its pull requests wait for somebody to approve the run';
      return { about, is: 'warning', says, next: app };
    }
    case 'none':
      return {
        about,
        is: 'wrong',
        says: 'there is none: this host can read what is public, and propose nothing',
        next: app,
      };
  }
}

/** Only a person's token may see it (administration: read), and it is about the token that workflows have. */
function actionsFindings(kind: TokenKind, may: boolean | undefined): Finding[] {
  const about = 'workflows propose';
  const where = 'Settings → Actions → General → Allow GitHub Actions to create and approve pull requests';
  if (may === undefined && kind !== 'actions') return [];
  if (may === undefined) {
    const says = 'this token opens pull requests only where a setting lets it, and may not see that';
    return [{ about, is: 'unknown', says, next: `Set ${where}; or let an App propose.` }];
  }
  if (!may) return [{ about, is: 'ok', says: 'by the token of an App; GITHUB_TOKEN opens no pull requests' }];
  const says = 'GITHUB_TOKEN may open pull requests, and approve of them: any workflow here has an approval';
  return [{ about, is: 'warning', says, next: `Let an App propose, then turn it off: ${where}.` }];
}

function repositoryFindings(place: GithubPlace, survey: Survey): Finding[] {
  const about = `github ${place.github}`;
  const bad: (readonly [boolean, string, string])[] = [
    [survey.archived, 'is archived', 'Unarchive it.'],
    [
      survey.canPush === false,
      'the token may not write',
      'Give it contents: write and pull requests: write.',
    ],
    [
      survey.defaultBranch !== 'main',
      `its default branch is ${survey.defaultBranch}`,
      'Rename it to main: schedules run there.',
    ],
    [survey.mergeCommits === false, 'merge commits are off', 'Allow them: the history is read along them.'],
  ];
  const found = bad
    .filter(([is]) => is)
    .map(([, says, next]): Finding => ({ about, is: 'wrong', says, next }));
  return found.length > 0 ? found : [{ about, is: 'ok', says: 'can be read and written' }];
}

function ruleFindings(rules: Survey['rules'], kind: TokenKind): Finding[] {
  const about = 'rules of main';
  if (rules === undefined) {
    return [{ about, is: 'unknown', says: 'this token may not see them', next: `Look at ${SETTINGS}.` }];
  }
  const has = (type: string) => rules.find((rule) => rule.type === type);
  const found: Finding[] = [];
  const lacks = (says: string, next: string) => found.push({ about, is: 'wrong', says, next });
  const pulls = has('pull_request')?.parameters as { require_code_owner_review?: boolean } | undefined;
  if (!has('pull_request'))
    lacks('anybody who may write can push to main', `Require a pull request: ${SETTINGS}.`);
  else if (!pulls?.require_code_owner_review) {
    const next = `Require review from Code Owners: ${SETTINGS}.`;
    found.push({ about, is: 'warning', says: 'owners of a team’s files need not review them', next });
  }
  const checks = has('required_status_checks')?.parameters as
    | { required_status_checks?: readonly { context: string; integration_id?: number | null }[] }
    | undefined;
  if (!checks?.required_status_checks?.some(({ context }) => context === PLAN_CHECK)) {
    const next = `Require the status check ${PLAN_CHECK}: ${SETTINGS}; it can be chosen for a week after it ran once.`;
    lacks(`${PLAN_CHECK} is not required: a pull request that is not its plan can be merged`, next);
  }
  const mirror = checks?.required_status_checks?.find(({ context }) => context === MIRROR_CHECK);
  const queue = has('merge_queue') !== undefined;
  const warn = (says: string, next: string) => found.push({ about, is: 'warning', says, next });
  if (mirror && queue) {
    const next = `Take ${MIRROR_CHECK} out of the required checks: ${SETTINGS}; sluice/plan judges each merge of a queue.`;
    lacks(
      `${MIRROR_CHECK} is required, and there is a merge queue: nobody reports it of a queue’s own commits`,
      next,
    );
  } else if (!mirror && !queue) {
    const next = `Let the mirror report it (sluice-mirror.yml, or sluice publish --watch), then require it: ${SETTINGS}.`;
    warn(
      `${MIRROR_CHECK} is not required: what a hold, a recall or a lost file made wrong since can be merged`,
      next,
    );
  } else if (mirror && kind === 'app' && !mirror.integration_id) {
    const next = `Name the App as the source of ${MIRROR_CHECK}: ${SETTINGS}.`;
    warn(`anybody who may write a commit status can report ${MIRROR_CHECK}`, next);
  }
  if (!has('non_fast_forward')) lacks('main can be force-pushed', `Block force pushes: ${SETTINGS}.`);
  return found.length > 0
    ? found
    : [{ about, is: 'ok', says: 'pull requests, owners, checks, no force pushes' }];
}

function labelFinding(labels: Survey['labels']): Finding {
  const about = 'labels';
  if (labels === undefined) return { about, is: 'unknown', says: 'this token may not see them' };
  const missing = LABELS.filter((label) => !labels.includes(label));
  if (missing.length === 0) return { about, is: 'ok', says: LABELS.join(', ') };
  const next = `gh label create ${missing.join('; gh label create ')}`;
  return { about, is: 'warning', says: `${missing.join(', ')} missing`, next };
}

function workflowFindings({ workflows, runners }: Survey): Finding[] {
  const about = 'workflows';
  if (workflows === undefined)
    return [{ about, is: 'unknown', says: 'this token may not see them (actions: read)' }];
  if (workflows.length === 0) {
    const next = 'Commit those of sluice init to .github/workflows, or run the verbs by timers of your own.';
    return [{ about, is: 'warning', says: 'there are none: nothing runs by itself', next }];
  }
  const off = workflows.filter(({ state }) => state !== 'active');
  const found = off.map(({ path, state }): Finding => {
    const why =
      state === 'disabled_inactivity' ? 'GitHub stopped its schedule after 60 days without activity' : state;
    return { about: path, is: 'wrong', says: why, next: `gh workflow enable ${path.replace(/^.*\//, '')}` };
  });
  if (off.length === 0) found.push({ about, is: 'ok', says: `${workflows.length} active` });
  const away = runners?.filter(({ status }) => status !== 'online') ?? [];
  const next = 'Start its service; jobs wait for 24 hours and are then cancelled.';
  return [
    ...found,
    ...away.map(({ name }): Finding => ({ about: `runner ${name}`, is: 'wrong', says: 'offline', next })),
  ];
}

/** The three places where GitHub looks. */
const OWNERS = ['.github/CODEOWNERS', 'CODEOWNERS', 'docs/CODEOWNERS'];

async function ownersFinding(repo: Repository): Promise<Finding> {
  const about = 'CODEOWNERS';
  const rev = await repo.resolve('origin/main').catch(() => repo.resolve('HEAD'));
  const files = await repo.readCommitted(rev, OWNERS);
  const [path] = files.keys();
  if (path !== undefined) return { about, is: 'ok', says: path };
  const next = 'Write .github/CODEOWNERS, so that each team reviews what is its own.';
  return { about, is: 'wrong', says: 'there is none: anybody’s review lets anything in', next };
}
