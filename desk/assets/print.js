// The print of a document: the browser's window for it opens by itself when every page is there.

const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => print());

await Promise.allSettled([...document.querySelectorAll(".sheets img")].map((picture) => picture.decode()));
print();
