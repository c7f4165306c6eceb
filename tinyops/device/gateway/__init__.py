"""The agent as a gateway: microcontrollers on its ports and addresses run what their fleets' releases offer them."""
