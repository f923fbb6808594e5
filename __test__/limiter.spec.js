'use strict';

const assert = require('node:assert');
const { describe, it } = require('node:test');

const Limiter = require('../lib/limiter');

/** Adds jobs that wait to be told that they are done; returns what has started. */
function addJobs(limiter, count) {
  const started = [];
  for (let index = 0; index < count; index++) {
    limiter.add((done) => started.push({ index, done }));
  }
  return started;
}

describe('Limiter', () => {
  it('runs as many jobs at a time as it is told to', () => {
    const limiter = new Limiter(2);
    const started = addJobs(limiter, 5);
    assert.deepStrictEqual([limiter.pending, limiter.jobs.length], [2, 3]);

    started[1].done();
    assert.deepStrictEqual([limiter.pending, limiter.jobs.length], [2, 2]);
    for (const position of [0, 2, 3, 4]) started[position].done();
    assert.deepStrictEqual([limiter.pending, limiter.jobs.length], [0, 0]);
    assert.deepStrictEqual(
      started.map(({ index }) => index),
      [0, 1, 2, 3, 4]
    );
  });

  it('has no limit without a number, or with 0', () => {
    for (const limiter of [new Limiter(), new Limiter(0)]) {
      assert.strictEqual(limiter.concurrency, Infinity);
      assert.strictEqual(addJobs(limiter, 100).length, 100);
    }
  });

  it('is stopped by nothing but a whole number, as in ws', () => {
    for (const concurrency of [-1, 1.5, Number.NaN, '2', {}]) {
      const limiter = new Limiter(concurrency);
      assert.strictEqual(limiter.limit, Infinity);
      assert.strictEqual(addJobs(limiter, 100).length, 100);
    }
    assert.strictEqual(new Limiter(3).limit, 3);
  });

  it('runs ever so many jobs that are done at once behind one that is not', () => {
    const limiter = new Limiter(1);
    const [blocker] = addJobs(limiter, 1);
    let count = 0;
    for (let index = 0; index < 100_000; index++) {
      limiter.add((done) => {
        count++;
        done();
      });
    }
    blocker.done();
    assert.deepStrictEqual([count, limiter.pending, limiter.jobs.length], [100_000, 0, 0]);
  });

  it('leaves out jobs that are taken back, wherever they are in the queue', () => {
    const limiter = new Limiter(1);
    const [blocker] = addJobs(limiter, 1);
    const order = [];
    const entries = Array.from({ length: 6 }, (_, index) =>
      limiter.add((done) => {
        order.push(index);
        done();
      })
    );
    for (const index of [0, 3, 5]) limiter.remove(entries[index]);
    assert.strictEqual(limiter.jobs.length, 3);
    limiter.remove(entries[3]);
    blocker.done();
    assert.deepStrictEqual(order, [1, 2, 4]);
    limiter.remove(entries[1]);
    limiter.add((done) => {
      order.push('further');
      done();
    });
    assert.deepStrictEqual([order.at(-1), limiter.pending], ['further', 0]);
  });

  it('goes on after a job that throws', () => {
    const limiter = new Limiter(2);
    assert.throws(() => {
      limiter.add(() => {
        throw new Error('on purpose');
      });
    }, /on purpose/);
    let count = 0;
    for (let index = 0; index < 3; index++) {
      limiter.add((done) => {
        count++;
        done();
      });
    }
    assert.strictEqual(count, 3);
  });

  it('runs jobs that are done at once', () => {
    const limiter = new Limiter(1);
    let count = 0;
    for (let index = 0; index < 3; index++) {
      limiter.add((done) => {
        count++;
        done();
      });
    }
    assert.deepStrictEqual([count, limiter.pending], [3, 0]);
  });
});
