import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesOf, PathSearch } from '../../src/repodata/filelists.ts';
import { CORPUS } from '../fixtures/oracle.ts';
import { document, elementsOf, repomdOf } from '../fixtures/repodata.ts';

const element = (files: string): Buffer =>
  Buffer.from(`<package pkgid="x" name="files" arch="noarch">\n  <version ver="1"/>\n${files}</package>`);

describe('a search for paths', () => {
  it('finds files, directories and ghosts, each once', () => {
    const search = new PathSearch(['/a', '/a/b', '/c', '/d', '/a']);
    const files =
      '<file>/a/b</file><file type="dir">/a</file>\n<file\ntype="ghost">/c</file><file>/a</file><file>/e</file>';
    expect(search.in(element(files))).toEqual(['/a/b', '/a', '/c']);
  });
  it('takes no part of a path, nor another of the same length and end', () => {
    const search = new PathSearch(['/usr/lib/tool']);
    const files =
      '<file>/usr/lib/tools</file><file>/opt/usr/lib/tool</file><file>/usr/lab/tool</file><file></file>';
    expect(search.in(element(`${files}<file/>`))).toEqual([]);
  });
  it('knows what a reference stands for, and letters beyond ASCII', () => {
    const search = new PathSearch(['/a&b', '/Käse', '/x']);
    expect(search.in(element('<file>/a&amp;b</file><file>/Käse</file><file>/&#x78;</file>'))).toEqual([
      '/a&b',
      '/Käse',
      '/x',
    ]);
    expect(search.in(element('<file>/Käse</file>'))).toEqual(['/Käse']);
  });
  it('has nothing to find where nothing is asked, or nothing is listed', () => {
    expect(new PathSearch([]).in(element('<file>/a</file>'))).toEqual([]);
    expect(new PathSearch(['/a']).in(element(''))).toEqual([]);
  });

  it.each(['centos-9-baseos/v1-2024-03', 'pgdg-common'].filter(() => CORPUS))(
    'finds in %s what reading the whole list finds',
    async (path) => {
      const folder = join(CORPUS ?? '', path);
      const bytes = document(folder, repomdOf(folder), 'filelists') ?? Buffer.alloc(0);
      const elements = await elementsOf(bytes, 'package', path);
      const lists = elements.map((e) => filesOf(e));
      const wanted = new Set(lists.flat().filter((_, i) => i % 97 === 0));
      const search = new PathSearch(wanted);
      elements.forEach((e, i) => {
        expect(search.in(e).sort()).toEqual(
          [...new Set(lists[i]?.filter((file) => wanted.has(file)))].sort(),
        );
      });
      expect(wanted.size).toBeGreaterThan(100);
    },
  );
});
