// /docs/try: runs Swagger UI on the contract, without loading anything from other hosts.

const place = document.getElementById("swagger");
SwaggerUIBundle({ url: place.dataset.contract, domNode: place, docExpansion: "list", deepLinking: false, validatorUrl: null });
