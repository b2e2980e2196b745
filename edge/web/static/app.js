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

  function close() {
    if (source) source.close();
    source = null;
  }

  setInterval(() => {
    if (document.hidden) return;
    if (Date.now() - heard > silentAfterMs) show(false);
    if (!source || source.readyState === EventSource.CLOSED) open();
  }, 2000);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  if (!document.hidden) open();
})();
