/** What GitHub keeps beside the git repository. Times are ISO 8601 to the second, in UTC. */
export type ActorKind = 'app' | 'user' | 'actions';

export interface Actor {
  readonly kind: ActorKind;
  readonly id: number;
  readonly login: string;
  readonly type: 'Bot' | 'User';
}

export interface Token {
  readonly token: string;
  readonly actor: Actor;
  /** Scope to level: what a request needs is in the table of routes. */
  readonly permissions: Readonly<Record<string, 'read' | 'write'>>;
  readonly limit: number;
  readonly expiresAt: number | undefined;
  expired: boolean;
}

export interface Label {
  readonly id: number;
  readonly name: string;
  readonly color: string;
  readonly description: string | null;
}

/** An issue, and what an issue and a pull request have in common. */
export interface Issue {
  readonly id: number;
  readonly number: number;
  readonly by: Actor;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  stateReason: string | null;
  labels: string[];
  readonly createdAt: string;
  updatedAt: string;
  closedAt: string | null;
  closedBy: Actor | null;
  pull?: Pull;
}

export interface Pull {
  readonly branch: string;
  /** `mallory/state`: the head is in another copy of the repository. */
  fork?: string;
  base: string;
  headSha: string;
  baseSha: string;
  draft: boolean;
  /** Who pushed its head. */
  pushedBy: Actor;
  reviewers: string[];
  mergedAt: string | null;
  mergedBy: Actor | null;
  mergeCommit: string | null;
  /** Of which head and base the answer `mergeable` is known; the first read only asks for it. */
  mergeable: { readonly of: string; readonly value: boolean; readonly commit: string | null } | undefined;
}

export interface Comment {
  readonly id: number;
  readonly issue: number;
  readonly by: Actor;
  body: string;
  readonly createdAt: string;
  updatedAt: string;
  readonly reactions: { id: number; by: Actor; content: string; at: string }[];
}

export interface Review {
  readonly id: number;
  readonly pull: number;
  readonly by: Actor;
  readonly body: string;
  state: 'APPROVED' | 'CHANGES_REQUESTED' | 'COMMENTED' | 'DISMISSED';
  readonly commit: string;
  readonly at: string;
}

export interface Annotation {
  readonly path: string;
  readonly start_line: number;
  readonly end_line: number;
  readonly annotation_level: string;
  readonly message: string;
  readonly title?: string;
  readonly raw_details?: string;
}

export interface CheckRun {
  readonly id: number;
  readonly sha: string;
  readonly by: Actor;
  name: string;
  status: string;
  conclusion: string | null;
  startedAt: string | null;
  completedAt: string | null;
  detailsUrl: string | null;
  externalId: string;
  title: string | null;
  summary: string | null;
  text: string | null;
  readonly annotations: Annotation[];
}

export interface Status {
  readonly id: number;
  readonly sha: string;
  readonly by: Actor;
  readonly state: string;
  readonly context: string;
  readonly description: string | null;
  readonly targetUrl: string | null;
  readonly at: string;
}

export interface Workflow {
  readonly id: number;
  readonly name: string;
  readonly path: string;
  state: 'active' | 'disabled_inactivity' | 'disabled_manually';
}

/** What an owner sets in the repository's settings. */
export interface Settings {
  private: boolean;
  /** "Allow GitHub Actions to create and approve pull requests". */
  actionsMayOpenPulls: boolean;
  deleteBranchOnMerge: boolean;
  mergeMethods: ('merge' | 'squash')[];
  /** The rules of main; `undefined`: no ruleset, anybody with write access may push. */
  rules:
    | {
        approvals: number;
        dismissStale: boolean;
        upToDate: boolean;
        checks: { context: string; appId?: number }[];
        /** Default true, which is nothing where main has no CODEOWNERS. */
        codeOwners?: boolean;
        /** "Require approval of the most recent reviewable push", by somebody else. */
        lastPush?: boolean;
        /** Default: those of the repository. */
        methods?: readonly string[];
      }
    | undefined;
  /** Members by `organisation/team`, of teams with write access. */
  teams: Record<string, readonly string[]>;
  workflows: Workflow[];
  runners: { name: string; status: 'online' | 'offline'; labels: string[] }[];
  /** By login; whoever is not named here has write access when he has a token, read otherwise. */
  access: Record<string, 'admin' | 'write' | 'read' | 'none'>;
  /** The App as it is installed: `sluice doctor` must notice what is missing. */
  appPermissions: Record<string, 'read' | 'write'>;
  /** "Rate limits for the REST API", secondary limits. */
  limits: { contentPerMinute: number; contentPerHour: number; pointsPerMinute: number };
}

/** Something that would start a workflow, or does not because of who did it. */
export interface ForgeEvent {
  readonly name:
    | 'push'
    | 'pull_request'
    | 'pull_request_review'
    | 'issue_comment'
    | 'issues'
    | 'merge_group'
    | 'schedule'
    | 'workflow_dispatch';
  readonly action: string;
  readonly actor: Actor;
  readonly number?: number;
  readonly ref?: string;
  readonly sha?: string;
  /** Of a push: what the ref was; of a merge group: what it is on. */
  readonly before?: string;
  /** The id. */
  readonly comment?: number;
  /** Which one was started, and with what. */
  readonly workflow?: { readonly path: string; readonly inputs: Readonly<Record<string, string | boolean>> };
  readonly at: string;
}

export class State {
  readonly owner: string;
  readonly repo: string;
  readonly clock: () => Date;
  readonly issues: Issue[] = [];
  readonly comments: Comment[] = [];
  readonly reviews: Review[] = [];
  readonly labels: Label[] = [];
  readonly checks: CheckRun[] = [];
  readonly statuses: Status[] = [];
  readonly events: ForgeEvent[] = [];
  /** Who moved a ref last. */
  readonly pushers = new Map<string, Actor>();
  readonly tokens = new Map<string, Token>();
  readonly actors = new Map<string, Actor>();
  /** Commits that GitHub made for an App, and therefore signed. */
  readonly verified = new Set<string>();
  readonly settings: Settings;
  #lastId = 1000;

  constructor(o: { owner: string; repo: string; clock: () => Date }) {
    this.owner = o.owner;
    this.repo = o.repo;
    this.clock = o.clock;
    this.settings = {
      private: false,
      actionsMayOpenPulls: false,
      deleteBranchOnMerge: false,
      mergeMethods: ['merge', 'squash'],
      rules: undefined,
      teams: {},
      workflows: [],
      runners: [],
      access: {},
      appPermissions: {
        checks: 'write',
        contents: 'write',
        issues: 'write',
        metadata: 'read',
        pull_requests: 'write',
        statuses: 'write',
      },
      limits: { contentPerMinute: 80, contentPerHour: 500, pointsPerMinute: 900 },
    };
  }

  id(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  now(): string {
    return this.clock()
      .toISOString()
      .replace(/\.\d+Z$/, 'Z');
  }

  actor(login: string): Actor {
    const known = this.actors.get(login);
    if (known) return known;
    const kind = login === 'sluice[bot]' ? 'app' : login === 'github-actions[bot]' ? 'actions' : 'user';
    const actor: Actor = { kind, id: this.id(), login, type: kind === 'user' ? 'User' : 'Bot' };
    this.actors.set(login, actor);
    return actor;
  }

  issue(number: number): Issue | undefined {
    return this.issues.find((issue) => issue.number === number);
  }

  get openPulls(): (Issue & { pull: Pull })[] {
    return this.issues.filter(isPull).filter(({ state }) => state === 'open');
  }

  touch(issue: Issue): void {
    issue.updatedAt = this.now();
  }

  close(issue: Issue, by: Actor, reason: string | null = null): void {
    issue.state = 'closed';
    issue.stateReason = reason;
    issue.closedAt = this.now();
    issue.closedBy = by;
    this.touch(issue);
  }

  happened(event: Omit<ForgeEvent, 'at'>): void {
    this.events.push({ ...event, at: this.now() });
  }
}

export function isPull(issue: Issue): issue is Issue & { pull: Pull } {
  return issue.pull !== undefined;
}
