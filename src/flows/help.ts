import { columns } from '../report/terminal.ts';
import type { Verb } from './verb.ts';

const COMMON: readonly (readonly [string, string])[] = [
  ['--repo DIR', 'the state repository (default: here)'],
  ['--mirror DIR', 'the root of the mirror (or the environment variable SLUICE_MIRROR)'],
  ['--cache DIR', 'documents kept by a host without a mirror (or SLUICE_CACHE; default: ~/.cache/sluice)'],
  ['--now TIME', 'the time to judge by, for replays (default: now)'],
  ['--by NAME', 'who acts (or SLUICE_BY; default: your login)'],
  ['--json', 'results for machines'],
];

export function help(verbs: readonly Verb[]): string {
  return `sluice — stages RPM repositories through git

usage: sluice VERB [operands] [options]      sluice VERB --help says more

${columns(
  verbs.map((v) => [v.name, v.summary]),
  '  ',
)}
A verb that moves builds prints its plan and changes nothing: --write puts it into the work tree,
--propose opens or refreshes the pull request.

everywhere:
${columns(COMMON, '  ')}
exit codes: 0 done, 1 a person must act, 2 a bug of sluice
`;
}

export function verbHelp(verb: Verb): string {
  const own = Object.entries(verb.options).map(([name, o]) => [
    `--${name}${o.value === undefined ? '' : ` ${o.value}`}`,
    o.help,
  ]);
  return (
    `sluice ${verb.name} ${verb.operands}`.trimEnd() +
    `

  ${verb.summary}

${own.length > 0 ? `options:\n${columns(own, '  ')}\n` : ''}everywhere:
${columns(COMMON, '  ')}
example:
  ${verb.example}
`
  );
}
