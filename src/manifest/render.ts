import { formatChecksum } from '../base/checksum.ts';
import { byCodeUnit } from '../base/order.ts';
import { formatEvr } from '../rpm/evr.ts';
import { formatNevra, nameArch } from '../rpm/nevra.ts';
import { formatRepositoryId } from './ids.ts';
import type { Pin, Snapshot } from './snapshot.ts';

/**
 * The manifest for people, in its one canonical form. Each entry is a line (or, in `accepted`, one item) with an empty line
 * after it: two changes of neighbours then merge as text (design, 3).
 */
export function renderManifest(s: Snapshot): string {
  const packages = s.pins.length === 0 ? 'packages: {}\n' : `packages:\n\n${packageLines(s.pins)}`;
  return `${renderHead(s)}${packages}`;
}

/** What stands above the builds. */
export function renderHead(s: Snapshot): string {
  const parts = [
    'apiVersion: sluice/v1\nkind: Snapshot\n',
    `repository: ${formatRepositoryId(s.repository)}\nfrom: ${s.from}\n\n`,
  ];
  if (s.upstream) {
    parts.push(`upstream:\n\n  timestamp: ${s.upstream.timestamp}\n\n`);
    parts.push(`  repomd: "${formatChecksum(s.upstream.repomd)}"\n\n`);
    const documents = sorted(s.upstream.documents);
    parts.push(documents.length === 0 ? '  documents: {}\n\n' : '  documents:\n\n');
    for (const [type, sum] of documents) parts.push(`    ${type}: "${formatChecksum(sum)}"\n\n`);
  }
  if (s.older) {
    parts.push(`older:\n\n  timestamp: ${s.older.timestamp}\n\n  reason: ${quoted(s.older.reason)}\n\n`);
  }
  if (s.accepted.length > 0) parts.push('accepted:\n\n');
  for (const { nevra, was, now, reason } of s.accepted) {
    parts.push(
      `  - build: "${nevra}"\n    was: "${formatChecksum(was)}"\n    now: "${formatChecksum(now)}"\n`,
    );
    parts.push(`    reason: ${quoted(reason)}\n\n`);
  }
  if (s.resigned.length > 0) parts.push('resigned:\n\n');
  for (const { nevra, was, now, content } of s.resigned) {
    parts.push(`  - build: "${nevra}"\n    was: "${formatChecksum(was)}"\n`);
    parts.push(`    now: "${formatChecksum(now)}"\n    content: "${formatChecksum(content)}"\n\n`);
  }
  if (s.quarantined.length > 0) parts.push('quarantined:\n\n');
  for (const { nevra, checksum, reason } of s.quarantined) {
    parts.push(
      `  - build: "${nevra}"\n    checksum: "${formatChecksum(checksum)}"\n    reason: ${quoted(reason)}\n\n`,
    );
  }
  if (s.kickstart) parts.push(`kickstart: "${formatChecksum(s.kickstart)}"\n\n`);
  const withdrawn = s.pins.filter((pin) => pin.withdrawn);
  if (withdrawn.length > 0) parts.push('withdrawn:\n\n');
  for (const pin of withdrawn) parts.push(`  - "${formatNevra(pin.nevra)}"\n\n`);
  if (s.modules.size > 0) parts.push('modules:\n\n');
  for (const [nsvca, sum] of sorted(s.modules)) parts.push(`  ${nsvca}: "${formatChecksum(sum)}"\n\n`);
  return parts.join('');
}

/** The lock: one pin, one line, in the manifest's order. */
export function renderLock(s: Snapshot): string {
  let text = '';
  for (const pin of s.pins) text += `${lockLine(pin)}\n\n`;
  return text;
}

/** `openssl-1:3.0.7-28.el9.x86_64 sha256:4f0c… 1768432 9be1c07d42aa`, and ` withdrawn` where it is. */
export function lockLine(pin: Pin): string {
  const line = `${formatNevra(pin.nevra)} ${formatChecksum(pin.checksum)} ${pin.size} ${pin.record}`;
  return pin.withdrawn ? `${line} withdrawn` : line;
}

/** One name.arch, one line, of builds in the order of manifests. */
export function packageLines(pins: readonly Pick<Pin, 'nevra'>[]): string {
  let text = '';
  for (let i = 0; i < pins.length; ) {
    const first = pins[i];
    if (!first) break;
    const key = nameArch(first.nevra);
    const builds: string[] = [];
    for (let pin = pins[i]; pin && nameArch(pin.nevra) === key; pin = pins[++i])
      builds.push(formatEvr(pin.nevra.evr));
    text += builds.length === 1 ? `  ${key}: "${builds[0]}"\n\n` : `  ${key}: ["${builds.join('", "')}"]\n\n`;
  }
  return text;
}

function sorted<T>(map: ReadonlyMap<string, T>): [string, T][] {
  return [...map].sort(([a], [b]) => byCodeUnit(a, b));
}

/** Free text on one line. YAML's double-quoted strings take all of JSON's escapes; what cannot be seen is escaped too. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\ufffd]/gu, (c) => {
    const code = c.codePointAt(0) ?? 0;
    return code > 0xffff
      ? `\\U${code.toString(16).padStart(8, '0')}`
      : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
