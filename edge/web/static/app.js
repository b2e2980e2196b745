// Live parts: the server sends a part anew every second. Silence greys the numbers out and the banner says why.
"use strict";
(() => {
  const board = document.querySelector("[data-live]");
  if (!board) return;
  const lost = document.getElementById("lost");
  const silentAfterMs = 6000;
  let source = null;
  let heard = Date.now();

  function show(alive) {
    lost.hidden = alive;
    board.classList.toggle("old", !alive);
  }

  function open() {
    heard = Date.now();
    source = new EventSource(`/live/${board.dataset.live}`);
    source.onmessage = (message) => {
      heard = Date.now();
      board.innerHTML = JSON.parse(message.data);
      show(true);
    };
    source.onerror = () => show(false);
  }

  // Refused for good: the box was started anew and wants the password again, or it is busy.
  async function again() {
    close();
    try {
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
      if (answer.redirected) location.reload();
    } catch {
      show(false);
    }
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  setInterval(() => {
    if (document.hidden) return;
    if (Date.now() - heard > silentAfterMs) show(false);
    if (!source) open();
    else if (source.readyState === EventSource.CLOSED) again();
  }, 2000);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
})();
