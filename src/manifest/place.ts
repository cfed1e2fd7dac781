/** `file:line:col` of an offset, both from 1, as editors and GitHub count them. */
export function place(file: string, text: string, offset: number): string {
  const before = text.slice(0, Math.max(0, offset));
  const line = before.split('\n').length;
  return `${file}:${line}:${before.length - before.lastIndexOf('\n')}`;
}
