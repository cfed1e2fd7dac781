import type { Settings } from './state.ts';

type Rules = NonNullable<Settings['rules']>;
interface Rule {
  readonly type: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
}

/** Of `pull_request` rules: what the test forge does when it is set so, and how it may be set where it does nothing. */
const ONLY: Readonly<Record<string, unknown>> = { required_review_thread_resolution: false };

/** *Import a ruleset*: what the file says becomes the rules of main; what is not known here is refused, as GitHub does. */
export function importRuleset(text: string): Rules {
  const { target, enforcement, conditions, rules, bypass_actors } = JSON.parse(text) as {
    readonly [key: string]: unknown;
    readonly rules: readonly Rule[];
  };
  const include = JSON.stringify(conditions);
  if (target !== 'branch' || enforcement !== 'active' || !include.includes('"~DEFAULT_BRANCH"')) {
    throw new Error(`the ruleset is not of the default branch, or not active: ${include}`);
  }
  if (JSON.stringify(bypass_actors) !== '[]') throw new Error('somebody may pass the rules');
  let made: Rules = { approvals: 0, dismissStale: false, upToDate: false, checks: [], codeOwners: false };
  const types = rules.map(({ type }) => type);
  for (const type of ['deletion', 'non_fast_forward', 'pull_request']) {
    // main of the test forge cannot be pushed to at all where it has rules
    if (!types.includes(type)) throw new Error(`a ruleset without ${type} is not known here`);
  }
  for (const { type, parameters = {} } of rules) {
    if (type === 'pull_request') made = { ...made, ...ofPulls(parameters) };
    else if (type === 'required_status_checks') made = { ...made, ...ofChecks(parameters) };
    else if (type !== 'deletion' && type !== 'non_fast_forward')
      throw new Error(`the rule ${type} is not known`);
  }
  return made;
}

function ofPulls(parameters: Readonly<Record<string, unknown>>): Partial<Rules> {
  const { required_approving_review_count, dismiss_stale_reviews_on_push, ...rest } = parameters;
  const { require_code_owner_review, require_last_push_approval, allowed_merge_methods, ...others } = rest;
  for (const [name, value] of Object.entries(others)) {
    if (ONLY[name] !== value) throw new Error(`${name}: ${JSON.stringify(value)} is not known`);
  }
  return {
    approvals: Number(required_approving_review_count),
    dismissStale: dismiss_stale_reviews_on_push === true,
    codeOwners: require_code_owner_review === true,
    lastPush: require_last_push_approval === true,
    methods: allowed_merge_methods as string[],
  };
}

function ofChecks(parameters: Readonly<Record<string, unknown>>): Partial<Rules> {
  const {
    strict_required_status_checks_policy,
    required_status_checks,
    do_not_enforce_on_create,
    ...others
  } = parameters;
  if (Object.keys(others).length > 0 || do_not_enforce_on_create !== false) {
    throw new Error(`${JSON.stringify(others)} is not known`);
  }
  const checks = required_status_checks as readonly { context: string; integration_id?: number }[];
  return {
    upToDate: strict_required_status_checks_policy === true,
    checks: checks.map(({ context, integration_id: appId }) => ({
      context,
      ...(appId === undefined ? {} : { appId }),
    })),
  };
}
