// Which file needs which, in JavaScript and in Rust, and where that goes round in circles.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { root } from './command.mjs';

/**
 * @typedef {Map<string, Set<string>>} Graph The files that a file needs, by its path below the root
 */

/**
 * Lists the files below a folder.
 *
 * @param {string} folder The folder, below the root
 * @param {string} ending What their names end in
 * @return {string[]} Their paths below the root, with slashes
 */
function filesBelow(folder, ending) {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .sort();
}

/**
 * Takes comments and texts out of a source, which both languages write alike.
 *
 * @param {string} source The source
 * @param {boolean} keepsTexts Whether texts stay
 * @return {string} The rest
 */
function withoutComments(source, keepsTexts) {
  const pattern = /\/\*[\s\S]*?\*\/|\/\/.*|"(?:[^"\\]|\\.)*"/g;
  return source.replace(pattern, (found) => (keepsTexts && found.startsWith('"') ? found : ' '));
}

/**
 * Finds out which files of a folder in JavaScript require which others when they are loaded, or
 * later.
 *
 * @param {string} folder The folder, below the root
 * @return {Graph} The files
 */
export function javascriptImports(folder) {
  const graph = new Map();
  for (const file of filesBelow(folder, '.js')) {
    const source = withoutComments(readFileSync(join(root, file), 'utf8'), true);
    const found = source.matchAll(/\brequire\('(\.[^']*)'\)/g);
    const targets = Array.from(found, ([, path]) => resolveScript(posix.join(dirname(file), path)));
    graph.set(file, new Set(targets));
  }
  return graph;
}

/**
 * @param {string} path What a file requires, below the root
 * @return {string} The file that this is
 */
function resolveScript(path) {
  const found = [`${path}.js`, `${path}/index.js`].find((name) => existsSync(join(root, name)));
  return found ?? path;
}

/**
 * A module of Rust, which has a file of its own.
 *
 * @typedef {object} Module
 * @property {string} file Its file
 * @property {Module | null} parent The module that declares it
 * @property {Map<string, Module>} children Those that it declares
 * @property {{ path: string[], name: string, isPublic: boolean }[]} uses What it imports, and under
 *   which name; `*` for all that there is
 * @property {string} code The rest of it, without tests
 */

/**
 * Finds out which files of a crate import something that another file defines. What a module only
 * hands on (`pub use`) is looked for where it comes from. Tests are left out.
 *
 * @param {string} folder The folder of its sources, below the root
 * @return {Graph} The files
 */
export function rustImports(folder) {
  const crate = readModule(posix.join(folder, 'lib.rs'), null);
  const graph = new Map();
  for (const module of withDescendants(crate)) {
    const targets = new Set();
    for (const { path, name, isPublic } of module.uses) {
      const isHandedOn = isPublic && !new RegExp(`\\b${name}\\b`).test(module.code);
      if (!isHandedOn) targets.add(resolvePath(crate, module, path)?.file);
    }
    for (const [path] of module.code.matchAll(/\b(?:crate|super|self)(?:::\w+)+/g)) {
      targets.add(resolvePath(crate, module, path.split('::'))?.file);
    }
    for (const [, first, rest] of module.code.matchAll(/(?<!::)\b([a-z]\w*)((?:::\w+)+)/g)) {
      if (!module.children.has(first)) continue;
      targets.add(resolvePath(crate, module, [first, ...rest.slice(2).split('::')])?.file);
    }
    targets.delete(undefined);
    targets.delete(module.file);
    graph.set(module.file, targets);
  }
  return graph;
}

/**
 * @param {string} file A file in Rust
 * @param {Module | null} parent The module that declares it
 * @return {Module} It, and those below it
 */
function readModule(file, parent) {
  const source = withoutComments(readFileSync(join(root, file), 'utf8'), false)
    .replace(/#\[cfg\([^\]]*\btest\b[^\]]*\)\]\s*(?:pub(?:\([^)]*\))? )?mod \w+\s*;/g, '')
    .replace(/#\[cfg\(test\)\]\s*mod \w+ \{[\s\S]*?\n\}/g, '')
    .replace(/#\[cfg\(test\)\]\s*use [^;]*;/g, '');
  const module = { file, parent, children: new Map(), uses: [], code: '' };
  const isFolder = ['lib.rs', 'mod.rs'].includes(posix.basename(file));
  const folder = isFolder ? dirname(file) : file.slice(0, -'.rs'.length);
  for (const [, name] of source.matchAll(/^\s*(?:pub(?:\([^)]*\))? )?mod (\w+)\s*;/gm)) {
    const child = [`${folder}/${name}.rs`, `${folder}/${name}/mod.rs`].find((path) =>
      existsSync(join(root, path))
    );
    if (child) module.children.set(name, readModule(child, module));
  }
  module.code = source.replace(/(\bpub(?:\([^)]*\))? )?\buse ([^;]+);/g, (_, visibility, tree) => {
    for (const path of pathsOf(tree.replace(/\s+/g, ' ').trim())) {
      module.uses.push({ ...path, isPublic: visibility !== undefined });
    }
    return ' ';
  });
  return module;
}

/**
 * @param {string} tree What follows `use`, such as `super::{frame::{self, Frame}, mask as m}`
 * @return {{ path: string[], name: string }[]} The paths, and the names that they get
 */
function pathsOf(tree) {
  const open = tree.indexOf('{');
  if (open === -1) {
    const [text, alias] = tree.split(' as ');
    const path = text.trim().split('::');
    if (path.at(-1) === 'self' && path.length > 1) path.pop();
    return [{ path, name: alias?.trim() ?? path.at(-1) }];
  }
  const prefix = tree.slice(0, open).split('::').slice(0, -1);
  return partsOf(tree.slice(open + 1, tree.lastIndexOf('}')))
    .flatMap(pathsOf)
    .map(({ path, name }) => {
      const isSelf = path.length === 1 && path[0] === 'self' && prefix.length > 0;
      const whole = isSelf ? prefix : [...prefix, ...path];
      return { path: whole, name: name === 'self' ? whole.at(-1) : name };
    });
}

/**
 * @param {string} list Parts with commas between them, braces in some
 * @return {string[]} The parts
 */
function partsOf(list) {
  const parts = [''];
  let depth = 0;
  for (const letter of list) {
    if (letter === '{') depth++;
    if (letter === '}') depth--;
    if (letter === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/**
 * @param {Module} module A module
 * @return {Module[]} It, and all below it
 */
function withDescendants(module) {
  return [module, ...[...module.children.values()].flatMap(withDescendants)];
}

/**
 * Finds the module that defines what a path leads to.
 *
 * @param {Module} crate The root of the crate
 * @param {Module} from The module that has the path
 * @param {string[]} path The path
 * @param {number} [depth] How many imports it has been followed through
 * @return {Module | undefined} The module, nothing for another crate
 */
function resolvePath(crate, from, path, depth = 0) {
  let [first, ...rest] = path;
  let module = from;
  if (first === 'crate') module = crate;
  else if (first === 'super') module = from.parent ?? crate;
  else if (first !== 'self') {
    if (!from.children.has(first)) return undefined;
    rest = path;
  }
  for (const [index, name] of rest.entries()) {
    const child = name === 'super' ? module.parent : module.children.get(name);
    if (child) {
      module = child;
      continue;
    }
    const imported = depth < 10 && module.uses.find((use) => use.name === name);
    if (!imported) return module;
    const target = [...imported.path, ...rest.slice(index + 1)];
    return resolvePath(crate, module, target, depth + 1) ?? undefined;
  }
  return module;
}

/**
 * Finds circles.
 *
 * @param {Graph} graph What needs what
 * @return {string[][]} Each of them as a way that ends where it began, one for those that hang
 *   together
 */
export function circlesOf(graph) {
  const circles = [];
  const done = new Set();
  for (const start of graph.keys()) {
    if (done.has(start)) continue;
    const way = wayBack(graph, start);
    if (way === undefined) continue;
    for (const file of graph.keys()) {
      if (reaches(graph, start, file) && reaches(graph, file, start)) done.add(file);
    }
    circles.push(way);
  }
  return circles;
}

/**
 * @param {Graph} graph What needs what
 * @param {string} start A file
 * @return {string[] | undefined} The shortest way from it back to it
 */
function wayBack(graph, start) {
  const ways = [[start]];
  const seen = new Set();
  for (const way of ways) {
    for (const next of graph.get(way.at(-1)) ?? []) {
      if (next === start) return [...way, start];
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
}

/**
 * @param {Graph} graph What needs what
 * @param {string} start A file
 * @param {string} end Another
 * @return {boolean} Whether the first needs the second, directly or not
 */
function reaches(graph, start, end) {
  const seen = new Set([start]);
  for (const file of seen) for (const next of graph.get(file) ?? []) seen.add(next);
  return start !== end && seen.has(end);
}
