"""What runs on devices and gateways: the update client of Linux boards (`tinyops.device.agent`)."""
