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
