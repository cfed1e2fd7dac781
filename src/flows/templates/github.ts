/**
 * A check that nobody reports keeps every merge waiting: only what ours report is here. Neither is bound to who reports it: the number
 * of the App that would have to stand here is known once it is made (docs/github.md, 4).
 */
const REQUIRED = ['sluice/plan', 'sluice/mirror'];

/** `docs/ruleset.json`: to be imported in the settings of the repository (Rules, Rulesets, Import a ruleset). */
export function ruleset(): string {
  const content = {
    name: 'sluice: main',
    target: 'branch',
    enforcement: 'active',
    conditions: { ref_name: { include: ['~DEFAULT_BRANCH'], exclude: [] } },
    rules: [
      { type: 'deletion' },
      { type: 'non_fast_forward' },
      {
        type: 'pull_request',
        parameters: {
          required_approving_review_count: 1,
          dismiss_stale_reviews_on_push: true,
          require_code_owner_review: true,
          require_last_push_approval: true,
          required_review_thread_resolution: false,
          // a bot's commit stays what it is, beside its plan's trailers; a squash would make another of it
          allowed_merge_methods: ['merge'],
        },
      },
      {
        type: 'required_status_checks',
        parameters: {
          strict_required_status_checks_policy: false, // the checks are of the merge; the mirror asks again when main moves
          do_not_enforce_on_create: false,
          required_status_checks: REQUIRED.map((context) => ({ context })),
        },
      },
    ],
    bypass_actors: [],
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** `.github/actionlint.yaml`: the label that the runner on the mirror has. */
export const ACTIONLINT = `self-hosted-runner:
  labels:
    - sluice-mirror
`;
