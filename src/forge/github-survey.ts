import { Fault } from '../base/fault.ts';
import { type ApiOptions, ApiRefusal, type GithubApi, openApi } from './github-api.ts';
import type { Slug } from './github-commit.ts';

/** What the settings of a repository say; undefined: this token may not see it. */
export interface Survey {
  readonly canPush: boolean | undefined;
  readonly archived: boolean;
  readonly defaultBranch: string;
  readonly mergeCommits: boolean | undefined;
  readonly rules: readonly { readonly type: string; readonly parameters?: unknown }[] | undefined;
  readonly labels: readonly string[] | undefined;
  readonly workflows: readonly { readonly path: string; readonly state: string }[] | undefined;
  /** "Allow GitHub Actions to create and approve pull requests". */
  readonly actionsMayPropose: boolean | undefined;
  readonly runners: readonly { readonly name: string; readonly status: string }[] | undefined;
}

/** Reads only. A Fault where the repository itself cannot be read. */
export async function surveyGithub(o: ApiOptions & Slug): Promise<Survey> {
  const api = openApi(o);
  const slug = { owner: o.owner, repo: o.repo };
  const repo = await api.ask((k) => k.rest.repos.get(slug));
  const see = <T>(work: Parameters<typeof api.ask<T>>[0]) => visible(api, work);
  const most = { ...slug, per_page: 100 };
  return {
    canPush: repo.permissions?.push,
    archived: repo.archived,
    defaultBranch: repo.default_branch,
    mergeCommits: repo.allow_merge_commit,
    rules: await see((k) => k.rest.repos.getBranchRules({ ...slug, branch: 'main' })),
    labels: (await see((k) => k.rest.issues.listLabelsForRepo(most)))?.map(({ name }) => name),
    workflows: (await see((k) => k.rest.actions.listRepoWorkflows(most)))?.workflows,
    actionsMayPropose: (
      await see((k) => k.rest.actions.getGithubActionsDefaultWorkflowPermissionsRepository(slug))
    )?.can_approve_pull_request_reviews,
    runners: (await see((k) => k.rest.actions.listSelfHostedRunnersForRepo(most)))?.runners,
  };
}

async function visible<T>(api: GithubApi, work: Parameters<typeof api.ask<T>>[0]): Promise<T | undefined> {
  try {
    return await api.ask(work);
  } catch (error) {
    if (error instanceof ApiRefusal && [401, 403, 404].includes(error.status)) return undefined;
    if (error instanceof Fault) throw error;
    throw error;
  }
}
