// Renews the status every two seconds. Without an answer the numbers are greyed out and the banner says why.
"use strict";
const board = document.getElementById("status");
const lost = document.getElementById("lost");

async function refresh() {
  let alive = false;
  try {
    const answer = await fetch("/fragment", { cache: "no-store", signal: AbortSignal.timeout(6000) });
    alive = answer.ok;
    if (alive) board.innerHTML = await answer.text();
  } catch {
    alive = false;
  }
  lost.hidden = alive;
  board.classList.toggle("old", !alive);
  setTimeout(refresh, 2000);
}

setTimeout(refresh, 2000);
