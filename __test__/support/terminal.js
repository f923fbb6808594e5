// @ts-check
'use strict';

// A terminal for tests: tmux, with a server of its own. What is typed goes through a real
// pseudo-terminal, and what is read is the screen as a person would see it.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const until = require('./until');

/** A look at the screen starts a process. */
const LOOK_EVERY_MS = 50;

/**
 * Runs a command and writes its exit code to the file that `$0` names; Ctrl+C is for the command.
 */
const WITH_RESULT = 'trap : INT; "$@"; echo $? >"$0"';

/**
 * Runs a command in a terminal.
 *
 * @param {string[]} command The program and its arguments
 * @param {{ columns?: number, rows?: number }} [size] The size of the terminal
 * @return {{ type: (text: string) => void, press: (...keys: string[]) => void, screen: (options?: {
 *   colors?: boolean }) => string, waitFor: (pattern: RegExp) => Promise<void>, exitCode: () =>
 *   Promise<number>, close: () => void }} Types; presses keys, by the names that tmux has for them;
 *   reads the screen; waits until it is as wanted; waits until the command has ended; and takes all
 *   of it away
 */
function openTerminal(command, { columns = 120, rows = 40 } = {}) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oxws-tmux-'));
  const socket = path.join(folder, 'socket');
  const result = path.join(folder, 'result');
  /** @type {(...args: string[]) => string} */
  const tmux = (...args) =>
    execFileSync('tmux', ['-f', '/dev/null', '-S', socket, ...args], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8', NO_COLOR: undefined, TMUX: undefined }
    });

  tmux(
    ...['start-server', ';', 'set-option', '-g', 'remain-on-exit', 'on', ';'],
    ...['set-option', '-g', 'default-terminal', 'screen-256color', ';'],
    ...['new-session', '-d', '-x', `${columns}`, '-y', `${rows}`, '--'],
    ...['sh', '-c', WITH_RESULT, result, ...command]
  );

  /** @param {{ colors?: boolean }} [options] Whether to keep escape sequences */
  const screen = ({ colors = false } = {}) =>
    tmux('capture-pane', '-p', ...(colors ? ['-e'] : [])).trimEnd();

  return {
    type: (text) => void tmux('send-keys', '-l', '--', text),
    press: (...keys) => void tmux('send-keys', ...keys),
    screen,
    async waitFor(pattern) {
      await until(
        () => pattern.test(screen()),
        () => `${pattern} on the screen:\n${screen()}`,
        LOOK_EVERY_MS
      );
    },
    async exitCode() {
      const code = await until(
        () => fs.existsSync(result) && fs.readFileSync(result, 'utf8'),
        () => `the end of the command:\n${screen()}`,
        LOOK_EVERY_MS
      );
      return Number(code);
    },
    close() {
      try {
        tmux('kill-server');
      } finally {
        fs.rmSync(folder, { recursive: true });
      }
    }
  };
}

module.exports = openTerminal;
