// Print-out of a document: opens the browser's print dialog when all pages are loaded.

const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => print());

await Promise.allSettled([...document.querySelectorAll(".sheets img")].map((picture) => picture.decode()));
print();
